-- +goose Up
-- Suggestions. "terms" has digests of the words of a solved ticket, and how often they
-- occur; NULL for other tickets. "known" has the same of what was published about a ticket.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}texts' AND column_name = 'terms') > 0, 'DO 0',
    'ALTER TABLE {t}texts ADD COLUMN terms BLOB, ADD COLUMN known BLOB');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
-- How many solved tickets, or known problems, of a tenant have a word: "word" is a digest of
-- the three. A count of zero is removed.
CREATE TABLE IF NOT EXISTS {t}frequencies (
    word BIGINT NOT NULL PRIMARY KEY,
    n    BIGINT NOT NULL
) ENGINE = InnoDB;
-- All tickets are indexed again.
UPDATE {t}texts SET version = 0;
INSERT INTO {t}unindexed (ticket) SELECT ticket FROM {t}texts ORDER BY place;
UPDATE {t}schema SET version = 4 WHERE part = 'search' AND version < 4;
