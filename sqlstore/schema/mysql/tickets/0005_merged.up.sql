-- +goose Up
-- Tickets that were merged into another one have a label, so that lists and counts
-- can leave them out.
INSERT IGNORE INTO {t}labels (tenant, label, created, ticket)
    SELECT tenant, 'merged', created, id FROM {t}tickets WHERE JSON_EXTRACT(CONVERT(doc USING utf8mb4), '$.merged_into') IS NOT NULL;
UPDATE {t}schema SET version = 5 WHERE part = 'tickets' AND version < 5;
