-- The truth. An event that text columns cannot hold (a payload that is not UTF-8, a U+0000
-- somewhere) is whole in "raw", and the columns show what can be shown of it.
CREATE TABLE weir.event (
  log_id            integer NOT NULL,
  bytes             integer NOT NULL,       -- about what it takes in an answer
  position          bigint NOT NULL,
  occurred_at       bigint NOT NULL,
  recorded_at       bigint NOT NULL,
  checksum          bigint NOT NULL,        -- XXH3-64 over its fields
  id                uuid,
  type              text NOT NULL,
  tags              text[] NOT NULL,
  data              text NOT NULL,
  content_type      text,                   -- null: application/json
  metadata          text[],                 -- key, value, key, value ...
  tracking_source   text,
  tracking_position bigint,                 -- 64 bits without sign
  raw               bytea,
  PRIMARY KEY (log_id, position)
);
