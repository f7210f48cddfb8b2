-- +goose Up
-- "stage" says how far a finished ticket was put away: 0 active, 1 archived, 2 words
-- erased, 3 erased. Tickets that were put away have labels that begin with the stage, and
-- the times of their events are moved by 2^60 for each stage, so that they are in a range
-- of their own of every index. Receipts are found by their ticket, to be erased. A
-- statement is left out where it was done already by a migration that was cut off
-- afterwards. The new column alone needs no copy of the table.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}tickets' AND column_name = 'stage') > 0, 'DO 0',
    'ALTER TABLE {t}tickets ADD COLUMN stage TINYINT NOT NULL DEFAULT 0');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = '{t}tickets' AND index_name = '{p}tickets_created' AND column_name = 'stage') > 0, 'DO 0',
    'ALTER TABLE {t}tickets
        DROP KEY {p}tickets_created,
        ADD KEY {p}tickets_created (tenant, stage, created, id),
        ADD KEY {p}tickets_closed (stage, closed, id)');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = '{t}receipts' AND index_name = '{p}receipts_ticket') > 0, 'DO 0',
    'ALTER TABLE {t}receipts ADD KEY {p}receipts_ticket (ticket)');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}schema SET version = 7 WHERE part = 'tickets' AND version < 7;
