#include <weir/telemetry/api/metric_list.hpp>

namespace weir::telemetry::metric {
namespace {

using Text = std::string_view;
using enum MetricKind;

// The conventions' buckets for calls, and for databases.
constexpr double call_seconds[] = {.005, .01, .025, .05, .075, .1,  .25,
                                   .5,   .75, 1,    2.5, 5,    7.5, 10};
constexpr double store_seconds[] = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                                    .05,   .1,     .25,   .5,   1,     5,    10};
constexpr double database_seconds[] = {.001, .005, .01, .05, .1, .5, 1, 5, 10};
constexpr double sizes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

// The status by both names that are in use.
constexpr Text rpc_labels[] = {"rpc.system.name", "rpc.method", "rpc.status_code",
                               "rpc.response.status_code", "error.type"};
constexpr Text http_labels[] = {"http.request.method", "url.scheme", "http.route",
                                "http.response.status_code", "error.type"};
constexpr Text session_labels[] = {"weir.operation.name", "error.type"};
constexpr Text limit_label[] = {"weir.limit.name"};
constexpr Text log_label[] = {"weir.log.name"};
constexpr Text log_error[] = {"weir.log.name", "error.type"};
constexpr Text database_labels[] = {"db.system.name", "db.operation.name", "error.type"};
constexpr Text pool_label[] = {"db.client.connection.pool.name"};
constexpr Text pool_state[] = {"db.client.connection.pool.name", "db.client.connection.state"};
constexpr Text host_label[] = {"server.address"};
constexpr Text event_labels[] = {"weir.pipeline.name", "weir.strategy.name", "weir.event.name"};
constexpr Text pipeline_label[] = {"weir.pipeline.name"};
constexpr Text error_label[] = {"error.type"};
constexpr Text metric_label[] = {"weir.metric.name"};
constexpr Text cpu_mode[] = {"cpu.mode"};
constexpr Text version[] = {"service.version"};

}  // namespace

const MetricSpec rpc_server_call_duration{
    "rpc.server.call.duration",
    histogram,
    "s",
    "Time from a gRPC call's arrival to its status; of streams, their whole life",
    rpc_labels,
    call_seconds};
const MetricSpec http_server_request_duration{
    "http.server.request.duration",
    histogram,
    "s",
    "Time from an HTTP request's last byte to its answer's last byte",
    http_labels,
    call_seconds};
const MetricSpec http_server_connections{"weir.http.server.connections", gauge, "{connection}",
                                         "HTTP connections that are open"};
const MetricSpec http_server_connections_refused{
    "weir.http.server.connections.refused", counter, "{connection}",
    "HTTP connections refused because too many were open"};
const MetricSpec session_request_duration{
    "weir.session.request.duration",
    histogram,
    "s",
    "Time from the arrival of a request on a Session stream until its answer is ready",
    session_labels,
    call_seconds};

const MetricSpec access_denied{
    "weir.access.denied", counter, "{call}",
    "Calls denied for want of a good token or a right: missing, malformed, unknown, expired, right",
    error_label};
const MetricSpec config_reloads{
    "weir.config.reloads", counter, "{reload}",
    "Times that settings, tokens and certificates were read again; with error.type, some "
    "were refused",
    error_label};
const MetricSpec server_rejected{
    "weir.server.rejected", counter, "{call}",
    "Calls that were turned away: for a client's rate of calls, streams or bytes, or for how many "
    "were under way at once",
    limit_label};

const MetricSpec store_append_events{"weir.store.append.events", counter, "{event}",
                                     "Events appended by this process", log_label};
const MetricSpec store_append_refused{
    "weir.store.append.refused", counter, "{append}",
    "Appends that were not recorded, by the code of their error; ABORTED is a conflict", log_error};
const MetricSpec store_commit_duration{"weir.store.commit.duration",
                                       histogram,
                                       "s",
                                       "Time that a group of appends took from taking the log's "
                                       "lock until it was on disk",
                                       log_error,
                                       store_seconds};
const MetricSpec store_commit_appends{"weir.store.commit.appends",      histogram, "{append}",
                                      "Appends recorded in one commit", log_label, sizes};
const MetricSpec store_commit_events{"weir.store.commit.events",      histogram, "{event}",
                                     "Events recorded in one commit", log_label, sizes};
const MetricSpec store_read_events{"weir.store.read.events", counter, "{event}",
                                   "Events read from the engine", log_label};
const MetricSpec store_read_duration{"weir.store.read.duration",          histogram, "s",
                                     "Time that one step of a read took", log_error, store_seconds};
const MetricSpec store_queue_depth{"weir.store.queue.depth", gauge, "{append}",
                                   "Appends that wait for a commit", log_label};
const MetricSpec store_head{"weir.store.head", gauge, "{position}",
                            "Position of the last event that this process knows of", log_label};
const MetricSpec store_tail_events{"weir.store.tail.events", gauge, "{event}",
                                   "Newest events that the index in memory covers", log_label};
const MetricSpec store_subscribers{"weir.store.subscribers", gauge, "{subscription}",
                                   "Live subscriptions", log_label};
const MetricSpec store_subscription_lag{
    "weir.store.subscription.lag", gauge, "{event}",
    "Events that the slowest live subscription has not been given", log_label};

const MetricSpec store_replica_lag{"weir.store.replica.lag", gauge, "s",
                                   "How far a replica of PostgreSQL is behind the primary, at most",
                                   host_label};
const MetricSpec store_replica_in{
    "weir.store.replica.in", gauge, "1",
    "1 while a replica may be read from; 0 while it is down, behind or follows nobody", host_label};

const MetricSpec db_client_operation_duration{
    "db.client.operation.duration",
    histogram,
    "s",
    "Time of a round trip to PostgreSQL; BATCH is of several statements that went together",
    database_labels,
    database_seconds};

const MetricSpec db_client_connection_count{
    "db.client.connection.count", up_down_counter, "{connection}",
    "Connections of a pool to PostgreSQL that are open, idle or used", pool_state};
const MetricSpec db_client_connection_idle_max{
    "db.client.connection.idle.max", up_down_counter, "{connection}",
    "Connections of a pool that may be open and unused", pool_label};
const MetricSpec db_client_connection_idle_min{
    "db.client.connection.idle.min", up_down_counter, "{connection}",
    "Connections of a pool that are kept even when nobody uses them", pool_label};
const MetricSpec db_client_connection_max{
    "db.client.connection.max", up_down_counter, "{connection}",
    "Connections of a pool that may be used at once", pool_label};
const MetricSpec db_client_connection_pending_requests{
    "db.client.connection.pending_requests", up_down_counter, "{request}",
    "Callers that wait for a connection of a pool", pool_label};
const MetricSpec db_client_connection_timeouts{
    "db.client.connection.timeouts", counter, "{timeout}",
    "Callers that gave up waiting for a connection of a pool", pool_label};
const MetricSpec db_client_connection_create_time{
    "db.client.connection.create_time",    histogram,  "s",
    "Time that opening a connection took", pool_label, database_seconds};
const MetricSpec db_client_connection_wait_time{
    "db.client.connection.wait_time",
    histogram,
    "s",
    "Time that a caller waited for a connection of a pool",
    pool_label,
    database_seconds};
const MetricSpec db_client_connection_use_time{"db.client.connection.use_time",
                                               histogram,
                                               "s",
                                               "Time from borrowing a connection to its return",
                                               pool_label,
                                               database_seconds};
const MetricSpec resilience_events{
    "weir.resilience.events", counter, "{event}",
    "What strategies around calls did: retried, rejected, timed_out, opened, half_opened, closed "
    "and the like",
    event_labels};
const MetricSpec resilience_circuit_state{
    "weir.resilience.circuit.state", gauge, "",
    "How the circuit breaker of a pipeline stands: 0 closed, 1 open, 2 half open, 3 isolated",
    pipeline_label};

const MetricSpec sdk_spans_processed{
    "otel.sdk.processor.span.processed", counter, "{span}",
    "Spans taken by the batch processor; with error.type, spans that it dropped", error_label};
const MetricSpec sdk_span_queue_size{"otel.sdk.processor.span.queue.size", gauge, "{span}",
                                     "Spans that wait to be exported"};
const MetricSpec sdk_span_queue_capacity{"otel.sdk.processor.span.queue.capacity", gauge, "{span}",
                                         "Spans that may wait to be exported"};
const MetricSpec sdk_spans_exported{
    "otel.sdk.exporter.span.exported", counter, "{span}",
    "Spans that the receiver took; with error.type, spans that it did not", error_label};
const MetricSpec sdk_export_duration{"otel.sdk.exporter.operation.duration",
                                     histogram,
                                     "s",
                                     "Time that exporting a batch of spans took, with its retries",
                                     error_label,
                                     call_seconds};
const MetricSpec sdk_metric_series{"weir.telemetry.metric.series", gauge, "{series}",
                                   "Combinations of label values that are kept, by metric",
                                   metric_label};
const MetricSpec sdk_metric_series_refused{
    "weir.telemetry.metric.overflows", counter, "{lookup}",
    "Look-ups that went to otel.metric.overflow because the metric had too many series",
    metric_label};

const MetricSpec process_cpu_time{"process.cpu.time", counter, "s",
                                  "Processor time that the process has used", cpu_mode};
const MetricSpec process_memory_usage{"process.memory.usage", gauge, "By",
                                      "Physical memory that the process uses"};
const MetricSpec process_uptime{"process.uptime", gauge, "s", "Time since the program started"};
const MetricSpec build_info{"weir.build.info", gauge, "", "1, with the version that runs", version};

std::span<const MetricSpec* const> all() {
  static constexpr const MetricSpec* list[] = {&rpc_server_call_duration,
                                               &http_server_request_duration,
                                               &http_server_connections,
                                               &http_server_connections_refused,
                                               &session_request_duration,
                                               &access_denied,
                                               &config_reloads,
                                               &server_rejected,
                                               &store_append_events,
                                               &store_append_refused,
                                               &store_commit_duration,
                                               &store_commit_appends,
                                               &store_commit_events,
                                               &store_read_events,
                                               &store_read_duration,
                                               &store_queue_depth,
                                               &store_head,
                                               &store_tail_events,
                                               &store_subscribers,
                                               &store_subscription_lag,
                                               &store_replica_lag,
                                               &store_replica_in,
                                               &db_client_operation_duration,
                                               &db_client_connection_count,
                                               &db_client_connection_idle_max,
                                               &db_client_connection_idle_min,
                                               &db_client_connection_max,
                                               &db_client_connection_pending_requests,
                                               &db_client_connection_timeouts,
                                               &db_client_connection_create_time,
                                               &db_client_connection_wait_time,
                                               &db_client_connection_use_time,
                                               &resilience_events,
                                               &resilience_circuit_state,
                                               &sdk_spans_processed,
                                               &sdk_span_queue_size,
                                               &sdk_span_queue_capacity,
                                               &sdk_spans_exported,
                                               &sdk_export_duration,
                                               &sdk_metric_series,
                                               &sdk_metric_series_refused,
                                               &process_cpu_time,
                                               &process_memory_usage,
                                               &process_uptime,
                                               &build_info};
  return list;
}

}  // namespace weir::telemetry::metric
