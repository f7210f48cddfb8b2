-- +goose Up
-- Files. Times are microseconds since 1970 in UTC, digests hexadecimal. "IF NOT EXISTS"
-- lets a migration that was cut off go on.

-- One row a file. "place" is the ULID under which its bytes are kept.
CREATE TABLE IF NOT EXISTS {t}files (
    tenant VARBINARY(255) NOT NULL,
    sum    VARBINARY(64)  NOT NULL, -- the SHA-256
    size   BIGINT         NOT NULL,
    stored BIGINT         NOT NULL,
    place  VARBINARY(26)  NOT NULL,
    PRIMARY KEY (tenant, sum)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The bytes, in parts of one size but for the last.
CREATE TABLE IF NOT EXISTS {t}chunks (
    place VARBINARY(26) NOT NULL,
    n     BIGINT        NOT NULL,
    bytes MEDIUMBLOB    NOT NULL,
    PRIMARY KEY (place, n)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Places whose bytes are still arriving.
CREATE TABLE IF NOT EXISTS {t}uploads (
    place VARBINARY(26) NOT NULL PRIMARY KEY,
    began BIGINT        NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
INSERT INTO {t}schema (part, version) VALUES ('files', 1) ON DUPLICATE KEY UPDATE version = GREATEST(version, 1);
