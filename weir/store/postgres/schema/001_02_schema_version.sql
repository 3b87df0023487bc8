-- The migrations that have been applied; the greatest is the schema's version.
CREATE TABLE weir.schema_version (
  version    integer PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);
