-- +goose Up
-- The words in the index, in order, to find those that begin with a prefix. This table holds
-- no rows of its own.
CREATE VIRTUAL TABLE IF NOT EXISTS {t}vocabulary USING fts5vocab ({t}words, instance);
UPDATE {t}schema SET version = 5 WHERE part = 'search';
