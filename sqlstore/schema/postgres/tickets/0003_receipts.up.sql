-- +goose Up
-- Receipts come to an age, and what they keep of a request is an HMAC of what it was
-- before, where "keyed" is 1.
ALTER TABLE {t}receipts ADD COLUMN keyed smallint NOT NULL DEFAULT 0;
CREATE INDEX {p}receipts_age ON {t}receipts (keyed, at);
UPDATE {t}schema SET version = 3 WHERE part = 'tickets';
