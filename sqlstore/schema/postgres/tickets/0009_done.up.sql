-- +goose Up
-- Lists of tickets that are solved or closed. Such tickets change rarely, so these indexes do too.
-- alongside: sqlstore runs the rest in small steps if the tables are not new.
CREATE INDEX {p}tickets_done ON {t}tickets (tenant, stage, created, id) WHERE open = 0;
CREATE INDEX {p}tickets_done_pressing ON {t}tickets (tenant, stage, pressing, created, id) WHERE open = 0;
UPDATE {t}schema SET version = 9 WHERE part = 'tickets';
