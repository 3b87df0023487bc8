-- The index, derived from the log: sorted runs of postings (term, position). The runs' ranges of
-- positions follow each other without a gap; past the last one, the log itself is searched.
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  level INTEGER NOT NULL,
  first_position INTEGER NOT NULL,
  last_position INTEGER NOT NULL,
  first_block INTEGER NOT NULL,     -- blocks first_block .. first_block + blocks - 1
  blocks INTEGER NOT NULL,
  fences BLOB NOT NULL              -- first term and position of each block, 16 bytes each
);
