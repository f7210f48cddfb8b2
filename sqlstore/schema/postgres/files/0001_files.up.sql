-- +goose Up
-- Files. Times are microseconds since 1970 in UTC, digests hexadecimal.

-- One row a file. "place" is the ULID under which its bytes are kept.
CREATE TABLE {t}files (
    tenant text COLLATE "C" NOT NULL,
    sum    text COLLATE "C" NOT NULL, -- the SHA-256
    size   bigint NOT NULL,
    stored bigint NOT NULL,
    place  text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, sum)
);

-- The bytes, in parts of one size but for the last. They are not compressed: most files
-- are already.
CREATE TABLE {t}chunks (
    place text COLLATE "C" NOT NULL,
    n     bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (place, n)
);
ALTER TABLE {t}chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Places whose bytes are still arriving.
CREATE TABLE {t}uploads (
    place text COLLATE "C" NOT NULL PRIMARY KEY,
    began bigint NOT NULL
);
INSERT INTO {t}schema (part, version) VALUES ('files', 1);
