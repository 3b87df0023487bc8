CREATE INDEX idempotency_age ON idempotency (recorded_at);
