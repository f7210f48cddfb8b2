-- +goose Up
-- Files. Times are microseconds since 1970 in UTC, digests hexadecimal.

-- One row a file. "place" is the ULID under which its bytes are kept.
CREATE TABLE {t}files (
    tenant TEXT    NOT NULL,
    sum    TEXT    NOT NULL, -- the SHA-256
    size   INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    place  TEXT    NOT NULL,
    PRIMARY KEY (tenant, sum)
) STRICT, WITHOUT ROWID;

-- The bytes, in parts of one size but for the last.
CREATE TABLE {t}chunks (
    place TEXT    NOT NULL,
    n     INTEGER NOT NULL,
    bytes BLOB    NOT NULL,
    PRIMARY KEY (place, n)
) STRICT;

-- Places whose bytes are still arriving.
CREATE TABLE {t}uploads (
    place TEXT    NOT NULL PRIMARY KEY,
    began INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO {t}schema (part, version) VALUES ('files', 1);
