-- The last batch that each writer has committed: what settles a commit whose answer was lost.
CREATE TABLE weir.writer (
  id      uuid PRIMARY KEY,
  log_id  integer NOT NULL,
  batch   bigint NOT NULL,
  used_at bigint NOT NULL
) WITH (fillfactor = 50);
