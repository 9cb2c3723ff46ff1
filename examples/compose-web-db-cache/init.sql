-- Postgres runs this once, when its data directory is empty. It is no migration: a later change here does nothing.
CREATE TABLE visits (at timestamptz NOT NULL DEFAULT now());
CREATE TABLE greeting (words text NOT NULL);
INSERT INTO greeting VALUES ('Welcome aboard.');
