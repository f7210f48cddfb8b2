-- +goose Up
-- Tickets that were merged into another one have a label, so that lists and counts
-- can leave them out.
INSERT INTO {t}labels (tenant, label, created, ticket)
    SELECT tenant, 'merged', created, id FROM {t}tickets WHERE doc ->> 'merged_into' IS NOT NULL ON CONFLICT DO NOTHING;
UPDATE {t}schema SET version = 5 WHERE part = 'tickets';
