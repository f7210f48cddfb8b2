-- +goose Up
-- Full-text search.

-- The words of each ticket, as they were at a version of it. "place" is the order
-- of creation: the later, the greater. The tokens are the words folded, with a
-- letter before each that says where it stands.
CREATE TABLE {t}texts (
    place   bigint NOT NULL PRIMARY KEY,
    ticket  text COLLATE "C" NOT NULL UNIQUE,
    tenant  text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    subject text NOT NULL,
    said    text NOT NULL, -- messages
    inside  text NOT NULL, -- notes
    tokens  tsvector NOT NULL
);
CREATE INDEX {p}texts_tokens ON {t}texts USING gin (tokens) WITH (gin_pending_list_limit = 512);

-- What has yet to be indexed.
CREATE TABLE {t}unindexed (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket text COLLATE "C" NOT NULL
);
INSERT INTO {t}unindexed (ticket) SELECT id FROM {t}tickets ORDER BY created, id;
INSERT INTO {t}schema (part, version) VALUES ('search', 1);
