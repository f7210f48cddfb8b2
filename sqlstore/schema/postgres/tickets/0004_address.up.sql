-- +goose Up
-- The e-mail address of a delivery's last attempt, where it was another than that of
-- the recipient. While the delivery is bounced, "who" is a digest of that address.
ALTER TABLE {t}outbox ADD COLUMN address text COLLATE "C" NOT NULL DEFAULT '';
UPDATE {t}schema SET version = 4 WHERE part = 'tickets';
