-- +goose Up
-- Mails that arrived, and what became of them. "state" is 0 pending, 1 done, 2 repeated, 3
-- ignored, 4 held. "envelope" is the sender and "recipients" the recipients of the envelope, the
-- latter JSON. "sender" is the address that a mail is found by, in lower case. "raw", "sender" and
-- what else can be erased are NULL or empty after erasing. "ages" is when a mail was settled,
-- while its age still changes something.
CREATE TABLE {t}mails (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant      text COLLATE "C" NOT NULL,
    mailbox     text COLLATE "C" NOT NULL,
    origin      text COLLATE "C",
    raw         text COLLATE "C",
    size        bigint           NOT NULL,
    arrived     bigint           NOT NULL,
    envelope    text COLLATE "C" NOT NULL,
    has_sender  smallint         NOT NULL,
    recipients  text COLLATE "C" NOT NULL,
    old         smallint         NOT NULL,
    state       smallint         NOT NULL,
    reason      text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C",
    author      text COLLATE "C" NOT NULL,
    message_id  text COLLATE "C",
    sender      text COLLATE "C",
    ticket      text COLLATE "C",
    seq         bigint           NOT NULL,
    explained   text COLLATE "C" NOT NULL,
    attempts    integer          NOT NULL,
    due         bigint,
    until       bigint,
    settled     bigint,
    ages        bigint
);
CREATE UNIQUE INDEX {p}mails_origin ON {t}mails (tenant, mailbox, origin) WHERE origin IS NOT NULL;
CREATE INDEX {p}mails_state ON {t}mails (tenant, state, arrived, id);
CREATE INDEX {p}mails_due ON {t}mails (mailbox, due, id) WHERE due IS NOT NULL;
CREATE INDEX {p}mails_fingerprint ON {t}mails (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX {p}mails_message ON {t}mails (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX {p}mails_ticket ON {t}mails (ticket) WHERE ticket IS NOT NULL;
CREATE INDEX {p}mails_sender ON {t}mails (sender, arrived, id) WHERE sender IS NOT NULL;
CREATE INDEX {p}mails_raw ON {t}mails (raw, tenant) WHERE raw IS NOT NULL;
CREATE INDEX {p}mails_ages ON {t}mails (ages, id) WHERE ages IS NOT NULL;
UPDATE {t}schema SET version = 8 WHERE part = 'tickets';
