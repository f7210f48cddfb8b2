-- +goose Up
-- The outbox keeps what became of each delivery. "dead" becomes "state": 0 on its
-- way, 1 dead, 2 bounced, 3 suppressed, 4 sent. "settled" is when it came to its
-- end, "who" a digest of the recipient's key, empty in rows that are older than the
-- column. All of it is one statement, which is left out where it was done already
-- by a migration that was cut off afterwards.
SET @ticket_change = IF ((SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = '{t}outbox' AND column_name = 'who') > 0, 'DO 0',
    'ALTER TABLE {t}outbox
        CHANGE COLUMN dead state TINYINT NOT NULL,
        ADD COLUMN settled BIGINT,
        ADD COLUMN who VARBINARY(20) NOT NULL DEFAULT '''',
        ADD KEY {p}outbox_line (ticket, via, who, state, seq),
        ADD KEY {p}outbox_recipient (tenant, who, via, state, settled),
        ADD KEY {p}outbox_tenant (tenant, id),
        ADD KEY {p}outbox_state (tenant, state, id)');
PREPARE ticket_change FROM @ticket_change;
EXECUTE ticket_change;
DEALLOCATE PREPARE ticket_change;
UPDATE {t}outbox SET settled = due WHERE state = 1 AND settled IS NULL;
UPDATE {t}schema SET version = 2 WHERE part = 'tickets' AND version < 2;
