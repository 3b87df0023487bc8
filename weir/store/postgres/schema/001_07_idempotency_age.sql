-- For forgetting the keys that have expired.
CREATE INDEX idempotency_age ON weir.idempotency (log_id, recorded_at);
