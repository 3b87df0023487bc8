CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  fingerprint BLOB NOT NULL,        -- 16 bytes over the events
  first_position INTEGER NOT NULL,
  last_position INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL
) WITHOUT ROWID;
