-- +goose Up
-- The e-mail address of a delivery's last attempt, where it was another than that of
-- the recipient. While the delivery is bounced, "who" is a digest of that address. The
-- change is left out where it was done already by a migration that was cut off
-- afterwards.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}outbox' AND column_name = 'address') > 0, 'DO 0',
    'ALTER TABLE {t}outbox ADD COLUMN address VARBINARY(1000) NOT NULL DEFAULT ''''');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}schema SET version = 4 WHERE part = 'tickets' AND version < 4;
