-- +goose Up
-- Times are microseconds since 1970 in UTC, IDs ULIDs in text, digests hexadecimal.

-- One row a ticket, as it stands now. "doc" is what no list filters or sorts by.
-- The room in the pages lets most updates stay on the page and out of the
-- indexes (HOT); for the same reason no index holds the status or the last touch.
CREATE TABLE {t}tickets (
    id             text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant         text COLLATE "C" NOT NULL,
    number         text COLLATE "C" NOT NULL UNIQUE,
    version        bigint   NOT NULL,
    digest         text COLLATE "C" NOT NULL,
    open           smallint NOT NULL, -- 1: neither solved nor closed
    status         text COLLATE "C" NOT NULL,
    phase          text COLLATE "C" NOT NULL,
    level          integer  NOT NULL,
    queue          text COLLATE "C" NOT NULL,
    assignee       text COLLATE "C" NOT NULL,
    pressing       smallint NOT NULL, -- 0: critical, 1: high, 2: medium, 3: low, 4: not given
    channel        text COLLATE "C" NOT NULL,
    reason         text COLLATE "C" NOT NULL,
    resolution     text COLLATE "C" NOT NULL,
    timer_at       bigint,
    timer_action   text COLLATE "C" NOT NULL,
    created        bigint   NOT NULL,
    first_answered bigint,
    touched        bigint   NOT NULL, -- that is: "at" of the last event
    resolved       bigint,
    closed         bigint,
    reopened       integer  NOT NULL,
    doc            json     NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX {p}tickets_created  ON {t}tickets (tenant, created, id);
CREATE INDEX {p}tickets_pressing ON {t}tickets (tenant, pressing, created, id) WHERE open = 1;
CREATE INDEX {p}tickets_queue    ON {t}tickets (tenant, queue, pressing, created, id) WHERE open = 1;
CREATE INDEX {p}tickets_assignee ON {t}tickets (tenant, assignee, pressing, created, id) WHERE open = 1;
CREATE INDEX {p}tickets_due      ON {t}tickets (tenant, timer_at, id) WHERE timer_at IS NOT NULL;
CREATE INDEX {p}tickets_timer    ON {t}tickets (timer_at, id) WHERE timer_at IS NOT NULL;

-- The history. "seq" is 1, 2, 3 … per ticket; "doc" is the whole event.
CREATE TABLE {t}events (
    ticket text COLLATE "C" NOT NULL,
    seq    bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    at     bigint NOT NULL,
    doc    json   NOT NULL,
    PRIMARY KEY (ticket, seq)
);
CREATE INDEX {p}events_at ON {t}events (tenant, at, ticket, seq);

-- What a ticket can be found by besides its columns: people, tags, fields.
CREATE TABLE {t}labels (
    tenant  text COLLATE "C" NOT NULL,
    label   text COLLATE "C" NOT NULL,
    created bigint NOT NULL, -- of the ticket, so that a label's tickets come in order
    ticket  text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, label, created, ticket)
);

-- Notifications on their way. Claimed by somebody where "until" is set.
CREATE TABLE {t}outbox (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL,
    ticket     text COLLATE "C" NOT NULL,
    seq        bigint   NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    via        text COLLATE "C" NOT NULL,
    recipient  json     NOT NULL,
    created    bigint   NOT NULL,
    due        bigint   NOT NULL,
    dead       smallint NOT NULL, -- 1: given up
    until      bigint,
    attempts   integer  NOT NULL,
    failures   integer  NOT NULL,
    last_error text COLLATE "C" NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX {p}outbox_due ON {t}outbox (via, due, id) WHERE dead = 0;

-- What an idempotency key was used for.
CREATE TABLE {t}receipts (
    tenant  text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    ticket  text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    request text COLLATE "C" NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Which version of each part of the schema this is.
CREATE TABLE {t}schema (
    part    text COLLATE "C" NOT NULL PRIMARY KEY,
    version integer NOT NULL
);
INSERT INTO {t}schema (part, version) VALUES ('tickets', 1);
