-- +goose Up
-- Receipts come to an age, and what they keep of a request is an HMAC of what it was
-- before, where "keyed" is 1.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}receipts' AND column_name = 'keyed') > 0, 'DO 0',
    'ALTER TABLE {t}receipts ADD COLUMN keyed TINYINT NOT NULL DEFAULT 0, ADD KEY {p}receipts_age (keyed, at)');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}schema SET version = 3 WHERE part = 'tickets' AND version < 3;
