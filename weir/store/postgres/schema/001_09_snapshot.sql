CREATE TABLE weir.snapshot (
  log_id     integer NOT NULL,
  projection bytea NOT NULL,
  query_hash bytea NOT NULL,
  position   bigint NOT NULL,
  saved_at   bigint NOT NULL,
  data       bytea NOT NULL,
  PRIMARY KEY (log_id, projection, query_hash)
);
