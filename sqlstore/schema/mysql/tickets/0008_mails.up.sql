-- +goose Up
-- Mails that arrived, and what became of them. "state" is 0 pending, 1 done, 2 repeated, 3
-- ignored, 4 held. "envelope" is the sender and "recipients" the recipients of the envelope, the
-- latter JSON. "sender" is the address that a mail is found by, in lower case. "raw", "sender" and
-- what else can be erased are NULL or empty after erasing. "ages" is when a mail was settled,
-- while its age still changes something.
CREATE TABLE IF NOT EXISTS {t}mails (
    id          VARBINARY(26)   NOT NULL PRIMARY KEY,
    tenant      VARBINARY(255)  NOT NULL,
    mailbox     VARBINARY(200)  NOT NULL,
    origin      VARBINARY(500),
    raw         VARBINARY(64),
    size        BIGINT          NOT NULL,
    arrived     BIGINT          NOT NULL,
    envelope    VARBINARY(1000) NOT NULL,
    has_sender  TINYINT         NOT NULL,
    recipients  LONGBLOB        NOT NULL,
    old         TINYINT         NOT NULL,
    state       TINYINT         NOT NULL,
    reason      VARBINARY(2000) NOT NULL,
    fingerprint VARBINARY(64),
    author      VARBINARY(1000) NOT NULL,
    message_id  VARBINARY(998),
    sender      VARBINARY(1000),
    ticket      VARBINARY(26),
    seq         BIGINT          NOT NULL,
    explained   LONGBLOB        NOT NULL,
    attempts    INT             NOT NULL,
    due         BIGINT,
    until       BIGINT,
    settled     BIGINT,
    ages        BIGINT,
    UNIQUE KEY {p}mails_origin (tenant, mailbox, origin),
    KEY {p}mails_state (tenant, state, arrived, id),
    KEY {p}mails_due (mailbox, due, id),
    KEY {p}mails_fingerprint (fingerprint),
    KEY {p}mails_message (message_id),
    KEY {p}mails_ticket (ticket),
    KEY {p}mails_sender (sender, arrived, id),
    KEY {p}mails_raw (raw, tenant),
    KEY {p}mails_ages (ages, id)
) ENGINE = InnoDB;
UPDATE {t}schema SET version = 8 WHERE part = 'tickets' AND version < 8;
