CREATE TABLE weir.tracking (
  log_id   integer NOT NULL,
  source   bytea NOT NULL,
  position bigint NOT NULL,                 -- 64 bits without sign
  PRIMARY KEY (log_id, source)
);
