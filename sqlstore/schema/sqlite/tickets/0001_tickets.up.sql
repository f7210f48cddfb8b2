-- +goose Up
-- Times are microseconds since 1970 in UTC, IDs ULIDs in text, digests hexadecimal.

-- One row a ticket, as it stands now. "doc" is JSON: what no list filters or sorts by.
CREATE TABLE {t}tickets (
    id             TEXT    NOT NULL PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    number         TEXT    NOT NULL UNIQUE,
    version        INTEGER NOT NULL,
    digest         TEXT    NOT NULL,
    open           INTEGER NOT NULL, -- 1: neither solved nor closed
    status         TEXT    NOT NULL,
    phase          TEXT    NOT NULL,
    level          INTEGER NOT NULL,
    queue          TEXT    NOT NULL,
    assignee       TEXT    NOT NULL,
    pressing       INTEGER NOT NULL, -- 0: critical, 1: high, 2: medium, 3: low, 4: not given
    channel        TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    resolution     TEXT    NOT NULL,
    timer_at       INTEGER,
    timer_action   TEXT    NOT NULL,
    created        INTEGER NOT NULL,
    first_answered INTEGER,
    touched        INTEGER NOT NULL, -- that is: "at" of the last event
    resolved       INTEGER,
    closed         INTEGER,
    reopened       INTEGER NOT NULL,
    doc            TEXT    NOT NULL
) STRICT;
CREATE INDEX {p}tickets_created  ON {t}tickets (tenant, created, id);
CREATE INDEX {p}tickets_pressing ON {t}tickets (tenant, pressing, created, id) WHERE open = 1;
CREATE INDEX {p}tickets_queue    ON {t}tickets (tenant, queue, pressing, created, id) WHERE open = 1;
CREATE INDEX {p}tickets_assignee ON {t}tickets (tenant, assignee, pressing, created, id) WHERE open = 1;
CREATE INDEX {p}tickets_count    ON {t}tickets (tenant, queue, level, status) WHERE open = 1;
CREATE INDEX {p}tickets_due      ON {t}tickets (tenant, timer_at, id) WHERE timer_at IS NOT NULL;
CREATE INDEX {p}tickets_timer    ON {t}tickets (timer_at, id) WHERE timer_at IS NOT NULL;

-- The history. "seq" is 1, 2, 3 … per ticket; "doc" is the whole event in JSON.
CREATE TABLE {t}events (
    ticket TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    tenant TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    doc    TEXT    NOT NULL,
    UNIQUE (ticket, seq)
) STRICT;
CREATE INDEX {p}events_at ON {t}events (tenant, at, ticket, seq);

-- What a ticket can be found by besides its columns: people, tags, fields.
CREATE TABLE {t}labels (
    tenant  TEXT    NOT NULL,
    label   TEXT    NOT NULL,
    created INTEGER NOT NULL, -- of the ticket, so that a label's tickets come in order
    ticket  TEXT    NOT NULL,
    PRIMARY KEY (tenant, label, created, ticket)
) STRICT, WITHOUT ROWID;

-- Notifications on their way. Claimed by somebody where "until" is set.
CREATE TABLE {t}outbox (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    ticket     TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    via        TEXT    NOT NULL,
    recipient  TEXT    NOT NULL, -- JSON
    created    INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    dead       INTEGER NOT NULL, -- 1: given up
    until      INTEGER,
    attempts   INTEGER NOT NULL,
    failures   INTEGER NOT NULL,
    last_error TEXT    NOT NULL
) STRICT;
CREATE INDEX {p}outbox_due ON {t}outbox (via, due, id) WHERE dead = 0;

-- What an idempotency key was used for.
CREATE TABLE {t}receipts (
    tenant  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    ticket  TEXT    NOT NULL,
    version INTEGER NOT NULL,
    request TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- Which version of each part of the schema this is.
CREATE TABLE {t}schema (
    part    TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;
INSERT INTO {t}schema (part, version) VALUES ('tickets', 1);
