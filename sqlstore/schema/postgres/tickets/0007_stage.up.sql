-- +goose Up
-- "stage" says how far a finished ticket was put away: 0 active, 1 archived, 2 words
-- erased, 3 erased. Tickets that were put away have labels that begin with the stage, and
-- the times of their events are moved by 2^60 for each stage, so that they are in a range
-- of their own of every index. Receipts are found by their ticket, to be erased.
-- The column needs no rewrite of the table.
ALTER TABLE {t}tickets ADD COLUMN stage smallint NOT NULL DEFAULT 0;
DROP INDEX {t}tickets_created;
-- alongside: sqlstore runs the rest in small steps if the tables are not new.
CREATE INDEX {p}tickets_created ON {t}tickets (tenant, stage, created, id);
CREATE INDEX {p}tickets_closed ON {t}tickets (stage, closed, id) WHERE closed IS NOT NULL;
CREATE INDEX {p}receipts_ticket ON {t}receipts (ticket);
UPDATE {t}schema SET version = 7 WHERE part = 'tickets';
