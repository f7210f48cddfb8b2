-- +goose Up
-- Clocks. "wake" is when the desk must look at the ticket, "due" the nearest target that
-- is still to be met, of any metric and of each. "missed" has a bit for each metric of
-- which a target was missed. "clocks" is JSON: the clocks and their policy, apart from
-- "doc", which a change of a clock does not write.
-- One statement adds all columns, and does not rewrite the table.
ALTER TABLE {t}tickets
    ADD COLUMN timer_from bigint,
    ADD COLUMN checked bigint,
    ADD COLUMN wake bigint,
    ADD COLUMN clocks json,
    ADD COLUMN missed smallint,
    ADD COLUMN snoozed bigint,
    ADD COLUMN due bigint,
    ADD COLUMN due_first bigint,
    ADD COLUMN due_next bigint,
    ADD COLUMN due_update bigint,
    ADD COLUMN due_solution bigint,
    ADD COLUMN due_level bigint;
DROP INDEX {t}tickets_timer;
DROP INDEX {t}tickets_due;
-- alongside: sqlstore runs the rest in small steps if the tables are not new.
UPDATE {t}tickets SET wake = timer_at WHERE timer_at IS NOT NULL AND wake IS NULL;
CREATE INDEX {p}tickets_wake         ON {t}tickets (wake, id) WHERE wake IS NOT NULL;
CREATE INDEX {p}tickets_due          ON {t}tickets (tenant, due, id) WHERE due IS NOT NULL;
CREATE INDEX {p}tickets_due_first    ON {t}tickets (tenant, due_first, id) WHERE due_first IS NOT NULL;
CREATE INDEX {p}tickets_due_next     ON {t}tickets (tenant, due_next, id) WHERE due_next IS NOT NULL;
CREATE INDEX {p}tickets_due_update   ON {t}tickets (tenant, due_update, id) WHERE due_update IS NOT NULL;
CREATE INDEX {p}tickets_due_solution ON {t}tickets (tenant, due_solution, id) WHERE due_solution IS NOT NULL;
CREATE INDEX {p}tickets_due_level    ON {t}tickets (tenant, due_level, id) WHERE due_level IS NOT NULL;
UPDATE {t}schema SET version = 6 WHERE part = 'tickets';
