-- +goose Up
-- Suggestions. "terms" has digests of the words of a solved ticket, and how often they
-- occur; NULL for other tickets. "known" has the same of what was published about a ticket.
ALTER TABLE {t}texts ADD COLUMN terms bytea, ADD COLUMN known bytea;
-- Digests do not compress.
ALTER TABLE {t}texts ALTER COLUMN terms SET STORAGE EXTERNAL, ALTER COLUMN known SET STORAGE EXTERNAL;
-- How many solved tickets, or known problems, of a tenant have a word: "word" is a digest of
-- the three. A count of zero is removed.
CREATE TABLE {t}frequencies (
    word bigint NOT NULL PRIMARY KEY,
    n    bigint NOT NULL
) WITH (fillfactor = 80);
-- All tickets are indexed again.
UPDATE {t}texts SET version = 0;
INSERT INTO {t}unindexed (ticket) SELECT ticket FROM {t}texts ORDER BY place;
UPDATE {t}schema SET version = 4 WHERE part = 'search';
