-- +goose Up
-- Full-text search.

-- The words of each ticket, as they were at a version of it. "place" is the order
-- of creation: the later, the greater.
CREATE TABLE {t}texts (
    place   INTEGER NOT NULL PRIMARY KEY,
    ticket  TEXT    NOT NULL UNIQUE,
    tenant  TEXT    NOT NULL,
    version INTEGER NOT NULL,
    subject TEXT    NOT NULL,
    said    TEXT    NOT NULL, -- messages
    inside  TEXT    NOT NULL  -- notes
) STRICT;

-- The index: rowid is the place. The words come folded, with a letter before each
-- that says where it stands, so nothing is left for the tokenizer to do.
CREATE VIRTUAL TABLE {t}words USING fts5 (tokens, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');

-- What has yet to be indexed.
CREATE TABLE {t}unindexed (
    id     INTEGER PRIMARY KEY AUTOINCREMENT, -- never the same twice
    ticket TEXT    NOT NULL
) STRICT;
INSERT INTO {t}unindexed (ticket) SELECT id FROM {t}tickets ORDER BY created, id;
INSERT INTO {t}schema (part, version) VALUES ('search', 1);
