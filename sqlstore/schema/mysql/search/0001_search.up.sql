-- +goose Up
-- Full-text search.

-- The words of each ticket, as they were at a version of it. "place" is the order
-- of creation: the later, the greater. The tokens are the words folded and in
-- ASCII, with a letter before each that says where it stands, so that neither the
-- shortest length nor the stop words of the server matter.
CREATE TABLE IF NOT EXISTS {t}texts (
    place   BIGINT         NOT NULL PRIMARY KEY,
    ticket  VARBINARY(26)  NOT NULL,
    tenant  VARBINARY(255) NOT NULL,
    version BIGINT         NOT NULL,
    subject LONGBLOB       NOT NULL,
    said    LONGBLOB       NOT NULL, -- messages
    inside  LONGBLOB       NOT NULL, -- notes
    tokens  LONGTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    UNIQUE KEY {p}texts_ticket (ticket),
    FULLTEXT KEY {p}texts_tokens (tokens)
) ENGINE = InnoDB;

-- What has yet to be indexed.
CREATE TABLE IF NOT EXISTS {t}unindexed (
    id     BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
    ticket VARBINARY(26) NOT NULL
) ENGINE = InnoDB;
INSERT INTO {t}unindexed (ticket) SELECT id FROM {t}tickets ORDER BY created, id;
INSERT INTO {t}schema (part, version) VALUES ('search', 1) ON DUPLICATE KEY UPDATE version = version;
