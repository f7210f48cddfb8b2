-- +goose Up
-- The index keeps no copy of the words: those of a ticket that is found are read from
-- its events, so that what is erased there is not found any more. "upto" is the last
-- event that words were taken from.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}texts' AND column_name = 'upto') > 0, 'DO 0',
    'ALTER TABLE {t}texts DROP COLUMN subject, DROP COLUMN said, DROP COLUMN inside, ADD COLUMN upto BIGINT NOT NULL DEFAULT 0');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}texts SET upto = version WHERE upto = 0;
-- Tickets from before 1970 and after 2094 get another place, so they are indexed anew.
DELETE FROM {t}texts WHERE ticket IN (SELECT id FROM {t}tickets WHERE created < 0 OR created >= 3940649673949184);
INSERT INTO {t}unindexed (ticket) SELECT id FROM {t}tickets WHERE created < 0 OR created >= 3940649673949184;
UPDATE {t}schema SET version = 2 WHERE part = 'search' AND version < 2;
