-- About 4 KiB of postings each.
CREATE TABLE block (
  id INTEGER PRIMARY KEY,
  postings BLOB NOT NULL
);
