-- The log itself. Times are microseconds since 1970 in UTC.
CREATE TABLE event (
  position INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  tags TEXT NOT NULL,               -- a JSON array of strings
  data NOT NULL,                    -- text when it is JSON or text, else a blob
  id BLOB,                          -- 16 bytes
  content_type TEXT,                -- null: application/json
  metadata TEXT,                    -- a JSON object of strings; null: none
  occurred_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  tracking_source TEXT,
  tracking_position INTEGER,        -- the 64 bits of an unsigned number
  checksum INTEGER NOT NULL         -- XXH3-64 of the row, so that damage shows
);
