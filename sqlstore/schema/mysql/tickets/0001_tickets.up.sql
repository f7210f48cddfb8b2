-- +goose Up
-- Times are microseconds since 1970 in UTC, IDs ULIDs in text, digests hexadecimal.
-- Text is kept in binary columns: no character set or collation of the server, the
-- database or the connection can then change it, or take two texts for the same.
-- DDL commits by itself here: "IF NOT EXISTS" lets a migration that was cut off go on.

-- One row a ticket, as it stands now. "doc" is JSON: what no list filters or sorts by.
CREATE TABLE IF NOT EXISTS {t}tickets (
    id             VARBINARY(26)  NOT NULL PRIMARY KEY,
    tenant         VARBINARY(255) NOT NULL,
    number         VARBINARY(32)  NOT NULL,
    version        BIGINT         NOT NULL,
    digest         VARBINARY(64)  NOT NULL,
    open           TINYINT        NOT NULL, -- 1: neither solved nor closed
    status         VARBINARY(255) NOT NULL,
    phase          VARBINARY(255) NOT NULL,
    level          INT            NOT NULL,
    queue          VARBINARY(255) NOT NULL,
    assignee       VARBINARY(255) NOT NULL,
    pressing       TINYINT        NOT NULL, -- 0: critical, 1: high, 2: medium, 3: low, 4: not given
    channel        VARBINARY(255) NOT NULL,
    reason         VARBINARY(255) NOT NULL,
    resolution     VARBINARY(255) NOT NULL,
    timer_at       BIGINT,
    timer_action   VARBINARY(255) NOT NULL,
    created        BIGINT         NOT NULL,
    first_answered BIGINT,
    touched        BIGINT         NOT NULL, -- that is: "at" of the last event
    resolved       BIGINT,
    closed         BIGINT,
    reopened       INT            NOT NULL,
    doc            LONGBLOB       NOT NULL,
    UNIQUE KEY {p}tickets_number (number),
    KEY {p}tickets_created (tenant, created, id),
    KEY {p}tickets_pressing (tenant, open, pressing, created, id),
    KEY {p}tickets_queue (tenant, open, queue, pressing, created, id),
    KEY {p}tickets_assignee (tenant, open, assignee, pressing, created, id),
    KEY {p}tickets_count (tenant, open, queue, level, status),
    KEY {p}tickets_due (tenant, timer_at, id),
    KEY {p}tickets_timer (timer_at, id)
) ENGINE = InnoDB;

-- The history. "seq" is 1, 2, 3 … per ticket; "doc" is the whole event in JSON.
CREATE TABLE IF NOT EXISTS {t}events (
    ticket VARBINARY(26)  NOT NULL,
    seq    BIGINT         NOT NULL,
    tenant VARBINARY(255) NOT NULL,
    at     BIGINT         NOT NULL,
    doc    LONGBLOB       NOT NULL,
    PRIMARY KEY (ticket, seq),
    KEY {p}events_at (tenant, at, ticket, seq)
) ENGINE = InnoDB;

-- What a ticket can be found by besides its columns: people, tags, fields.
CREATE TABLE IF NOT EXISTS {t}labels (
    tenant  VARBINARY(255) NOT NULL,
    label   VARBINARY(255) NOT NULL,
    created BIGINT         NOT NULL, -- of the ticket, so that a label's tickets come in order
    ticket  VARBINARY(26)  NOT NULL,
    PRIMARY KEY (tenant, label, created, ticket)
) ENGINE = InnoDB;

-- Notifications on their way. Claimed by somebody where "until" is set.
CREATE TABLE IF NOT EXISTS {t}outbox (
    id         VARBINARY(26)   NOT NULL PRIMARY KEY,
    tenant     VARBINARY(255)  NOT NULL,
    ticket     VARBINARY(26)   NOT NULL,
    seq        BIGINT          NOT NULL,
    kind       VARBINARY(255)  NOT NULL,
    via        VARBINARY(255)  NOT NULL,
    recipient  LONGBLOB        NOT NULL, -- JSON
    created    BIGINT          NOT NULL,
    due        BIGINT          NOT NULL,
    dead       TINYINT         NOT NULL, -- 1: given up
    until      BIGINT,
    attempts   INT             NOT NULL,
    failures   INT             NOT NULL,
    last_error BLOB            NOT NULL,
    KEY {p}outbox_due (dead, via, due, id)
) ENGINE = InnoDB;

-- What an idempotency key was used for.
CREATE TABLE IF NOT EXISTS {t}receipts (
    tenant  VARBINARY(255) NOT NULL,
    name    VARBINARY(255) NOT NULL,
    ticket  VARBINARY(26)  NOT NULL,
    version BIGINT         NOT NULL,
    request VARBINARY(64)  NOT NULL,
    at      BIGINT         NOT NULL,
    PRIMARY KEY (tenant, name)
) ENGINE = InnoDB;

-- Which version of each part of the schema this is.
CREATE TABLE IF NOT EXISTS {t}schema (
    part    VARBINARY(50) NOT NULL PRIMARY KEY,
    version INT           NOT NULL
) ENGINE = InnoDB;
INSERT INTO {t}schema (part, version) VALUES ('tickets', 1) ON DUPLICATE KEY UPDATE version = version;
