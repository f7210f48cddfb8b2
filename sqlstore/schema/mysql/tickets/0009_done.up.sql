-- +goose Up
-- Lists of tickets that are solved or closed. Such tickets change rarely, so this index does too.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = '{t}tickets' AND index_name = '{p}tickets_done') > 0, 'DO 0',
    'ALTER TABLE {t}tickets ADD KEY {p}tickets_done (tenant, open, stage, created, id)');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}schema SET version = 9 WHERE part = 'tickets' AND version < 9;
