-- A log; its row is what appends lock. Times are microseconds since 1970, as everywhere here.
CREATE TABLE weir.log (
  id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name         text NOT NULL UNIQUE,
  head         bigint NOT NULL DEFAULT 0,
  recorded_at  bigint NOT NULL DEFAULT 0,   -- of the last event
  created_at   bigint NOT NULL,
  seed         bigint NOT NULL,             -- of the hashes in weir.term; a secret
  indexed_keys text[] NOT NULL              -- payload keys that are terms too
) WITH (fillfactor = 50);
