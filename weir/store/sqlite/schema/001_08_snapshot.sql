CREATE TABLE snapshot (
  projection TEXT NOT NULL,
  query_hash TEXT NOT NULL,
  position INTEGER NOT NULL,
  data BLOB NOT NULL,
  saved_at INTEGER NOT NULL,
  PRIMARY KEY (projection, query_hash)
);
