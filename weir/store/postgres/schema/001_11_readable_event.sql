-- For people: SELECT * FROM weir.readable_event WHERE log = 'default' ORDER BY position DESC LIMIT 10.
CREATE VIEW weir.readable_event AS
SELECT l.name AS log, e.position, e.id, e.type, e.tags, e.data, e.metadata,
       to_timestamp(e.occurred_at / 1000000.0) AS occurred_at,
       to_timestamp(e.recorded_at / 1000000.0) AS recorded_at
FROM weir.event e JOIN weir.log l ON l.id = e.log_id;
