CREATE TABLE weir.idempotency (
  log_id           integer NOT NULL,
  key              bytea NOT NULL,
  fingerprint_high bigint NOT NULL,
  fingerprint_low  bigint NOT NULL,
  first            bigint NOT NULL,
  last             bigint NOT NULL,
  recorded_at      bigint NOT NULL,
  PRIMARY KEY (log_id, key)
);
