-- Everything of ours. Made beforehand by an administrator where the role may not make schemas.
DO $$ BEGIN
  IF to_regnamespace('weir') IS NULL THEN
    CREATE SCHEMA weir;
  END IF;
END $$;
