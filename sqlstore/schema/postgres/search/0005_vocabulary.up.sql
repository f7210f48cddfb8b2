-- +goose Up
-- Only SQLite has a table of words.
UPDATE {t}schema SET version = 5 WHERE part = 'search';
