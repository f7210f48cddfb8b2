-- +goose Up
-- The outbox keeps what became of each delivery. "dead" becomes "state": 0 on its
-- way, 1 dead, 2 bounced, 3 suppressed, 4 sent.
ALTER TABLE {t}outbox RENAME COLUMN dead TO state;
ALTER TABLE {t}outbox ADD COLUMN settled INTEGER; -- when it came to its end
-- A digest of the recipient's key. Empty in rows that are older than the column.
ALTER TABLE {t}outbox ADD COLUMN who TEXT NOT NULL DEFAULT '';
UPDATE {t}outbox SET settled = due WHERE state = 1;
CREATE INDEX {p}outbox_line      ON {t}outbox (ticket, via, who, state, seq);
CREATE INDEX {p}outbox_recipient ON {t}outbox (tenant, who, via, state, settled);
CREATE INDEX {p}outbox_tenant    ON {t}outbox (tenant, id);
-- What was not sent, in any state. "+ 0" keeps it from those who look for state 0.
CREATE INDEX {p}outbox_unsent    ON {t}outbox (tenant, id) WHERE state + 0 <> 4;
UPDATE {t}schema SET version = 2 WHERE part = 'tickets';
