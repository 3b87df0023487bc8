-- What the log is: schema_version, name, created_at (microseconds), term_seed, indexed_keys (a JSON array).
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value NOT NULL
) WITHOUT ROWID;
