-- +goose Up
-- Words are folded in another way since, so what is indexed is indexed anew.
UPDATE {t}texts SET version = 0;
INSERT INTO {t}unindexed (ticket) SELECT ticket FROM {t}texts ORDER BY place;
UPDATE {t}schema SET version = 3 WHERE part = 'search' AND version < 3;
