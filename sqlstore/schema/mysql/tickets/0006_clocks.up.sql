-- +goose Up
-- Clocks. "wake" is when the desk must look at the ticket, "due" the nearest target that
-- is still to be met, of any metric and of each. "missed" has a bit for each metric of
-- which a target was missed. "clocks" is JSON: the clocks and their policy, apart from
-- "doc", which a change of a clock does not write. A statement is left out where it was
-- done already by a migration that was cut off afterwards. The columns and the indexes
-- are added by statements of their own, because new columns alone need no copy of the
-- table.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}tickets' AND column_name = 'wake') > 0, 'DO 0',
    'ALTER TABLE {t}tickets
        ADD COLUMN timer_from BIGINT,
        ADD COLUMN checked BIGINT,
        ADD COLUMN wake BIGINT,
        ADD COLUMN clocks LONGBLOB,
        ADD COLUMN missed TINYINT,
        ADD COLUMN snoozed BIGINT,
        ADD COLUMN due BIGINT,
        ADD COLUMN due_first BIGINT,
        ADD COLUMN due_next BIGINT,
        ADD COLUMN due_update BIGINT,
        ADD COLUMN due_solution BIGINT,
        ADD COLUMN due_level BIGINT');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}tickets SET wake = timer_at WHERE timer_at IS NOT NULL AND wake IS NULL;
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = '{t}tickets' AND index_name = '{p}tickets_wake') > 0, 'DO 0',
    'ALTER TABLE {t}tickets
        DROP KEY {p}tickets_timer,
        DROP KEY {p}tickets_due,
        ADD KEY {p}tickets_wake (wake, id),
        ADD KEY {p}tickets_due (tenant, due, id),
        ADD KEY {p}tickets_due_first (tenant, due_first, id),
        ADD KEY {p}tickets_due_next (tenant, due_next, id),
        ADD KEY {p}tickets_due_update (tenant, due_update, id),
        ADD KEY {p}tickets_due_solution (tenant, due_solution, id),
        ADD KEY {p}tickets_due_level (tenant, due_level, id)');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}schema SET version = 6 WHERE part = 'tickets' AND version < 6;
