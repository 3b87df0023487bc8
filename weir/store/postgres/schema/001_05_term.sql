-- Where each type, tag and indexed payload value occurs, by a 64-bit hash of it.
CREATE TABLE weir.term (
  log_id   integer NOT NULL,
  term     bigint NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (log_id, term, position)
);
