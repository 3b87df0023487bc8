CREATE TABLE tracking (
  source TEXT PRIMARY KEY,
  position INTEGER NOT NULL         -- the 64 bits of an unsigned number
) WITHOUT ROWID;
