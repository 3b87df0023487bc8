#pragma once

#include <span>

#include <weir/telemetry/api/metric_spec.hpp>

/// Every metric of the product, once. docs/reference/metrics.md is made from this list, and a test
/// keeps it so; whoever records one takes its spec from here.
namespace weir::telemetry::metric {

// Of the server's calls, by the semantic conventions.
extern const MetricSpec rpc_server_call_duration;
extern const MetricSpec http_server_request_duration;
extern const MetricSpec http_server_connections;
extern const MetricSpec http_server_connections_refused;
extern const MetricSpec session_request_duration;
extern const MetricSpec access_denied;
extern const MetricSpec config_reloads;
extern const MetricSpec server_rejected;

// Of the store.
extern const MetricSpec store_append_events;
extern const MetricSpec store_append_refused;
extern const MetricSpec store_commit_duration;
extern const MetricSpec store_commit_appends;
extern const MetricSpec store_commit_events;
extern const MetricSpec store_read_events;
extern const MetricSpec store_read_duration;
extern const MetricSpec store_queue_depth;
extern const MetricSpec store_head;
extern const MetricSpec store_tail_events;
extern const MetricSpec store_subscribers;
extern const MetricSpec store_subscription_lag;

// Of the database below it.
extern const MetricSpec store_replica_lag;
extern const MetricSpec store_replica_in;

extern const MetricSpec db_client_operation_duration;
extern const MetricSpec db_client_connection_count;
extern const MetricSpec db_client_connection_idle_max;
extern const MetricSpec db_client_connection_idle_min;
extern const MetricSpec db_client_connection_max;
extern const MetricSpec db_client_connection_pending_requests;
extern const MetricSpec db_client_connection_timeouts;
extern const MetricSpec db_client_connection_create_time;
extern const MetricSpec db_client_connection_wait_time;
extern const MetricSpec db_client_connection_use_time;

// Of what stands around calls.
extern const MetricSpec resilience_events;
extern const MetricSpec resilience_circuit_state;

// Of telemetry itself.
extern const MetricSpec sdk_spans_processed;
extern const MetricSpec sdk_span_queue_size;
extern const MetricSpec sdk_span_queue_capacity;
extern const MetricSpec sdk_spans_exported;
extern const MetricSpec sdk_export_duration;
extern const MetricSpec sdk_metric_series;
extern const MetricSpec sdk_metric_series_refused;

// Of the process.
extern const MetricSpec process_cpu_time;
extern const MetricSpec process_memory_usage;
extern const MetricSpec process_uptime;
extern const MetricSpec build_info;

/// All of them, in the order of the reference.
std::span<const MetricSpec* const> all();

}  // namespace weir::telemetry::metric
