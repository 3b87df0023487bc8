#include <apps/weir/settings.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <weir/base/uri.hpp>
#include <weir/config/reference.hpp>
#include <weir/open.hpp>
#include <weir/security/address.hpp>

namespace weir::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t mebibyte = 1 << 20;

/// A setting, and the variable that OpenTelemetry has for the same.
struct Standard {
  const char* setting;
  const char* variable;
  const char* what;
  bool secret = false;
};

constexpr std::array standards = {
    Standard{"telemetry.disabled", "OTEL_SDK_DISABLED",
             "Nothing is traced, measured or exported when it is true"},
    Standard{"telemetry.service_name", "OTEL_SERVICE_NAME", "Name of the service in traces"},
    Standard{"telemetry.resource_attributes", "OTEL_RESOURCE_ATTRIBUTES",
             "Of the process, as key=value with commas between"},
    Standard{"telemetry.traces_exporter", "OTEL_TRACES_EXPORTER",
             "Where spans go: otlp, console, none"},
    Standard{"telemetry.metrics_exporter", "OTEL_METRICS_EXPORTER",
             "Where metrics are pushed: otlp, console, none; /metrics is there regardless"},
    Standard{"telemetry.endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "URL of the OTLP receiver"},
    Standard{"telemetry.protocol", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc or http/protobuf"},
    Standard{"telemetry.headers", "OTEL_EXPORTER_OTLP_HEADERS",
             "Sent to the receiver, as key=value with commas between", true},
    Standard{"telemetry.sampler", "OTEL_TRACES_SAMPLER",
             "Which traces are recorded: always_on, parentbased_traceidratio ..."},
    Standard{"telemetry.sampler_argument", "OTEL_TRACES_SAMPLER_ARG",
             "The sampler's argument: a ratio from 0 to 1"},
};

void add_telemetry(config::Settings& list, ServeSettings& to) {
  for (const auto& standard : standards) {
    auto& setting = list.text(standard.setting, to.telemetry[standard.variable],
                              fmt::format("{} (`{}`)", standard.what, standard.variable));
    setting.other_variable(standard.variable);
    if (standard.secret) setting.secret();
    if (std::string_view(standard.setting) == "telemetry.endpoint") {
      setting.shown_as(without_password);
    }
  }
  list.flag_switch("telemetry.statement_text", to.open.statement_text,
                   "Put the texts of SQL statements, without values, into their spans")
      .flag("--trace-statements");
}

std::string flag_of(std::string_view name) {
  auto flag = "--" + std::string(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void add_limits(config::Settings& list, OpenOptions& to) {
  for (const auto& range : limit_ranges()) {
    auto& field = to.limits.*range.field;
    const auto name = "limits." + std::string(range.name);
    const bool bytes = range.name.find("_bytes_") != std::string_view::npos;
    auto& setting = bytes ? list.bytes(name, field, range.min, range.max, std::string(range.what))
                          : list.number(name, field, range.min, range.max, std::string(range.what));
    setting.flag(flag_of(range.name)).reloads();
  }
  list.number("limits.queue_max", to.queue_max, 1, OpenOptions::queue_highest,
              "Appends that may wait")
      .flag("--queue-max");
  list.bytes("limits.queue_bytes_max", to.queue_bytes_max, OpenOptions::queue_bytes_lowest,
             OpenOptions::queue_bytes_highest, "Bytes of the events that may wait")
      .flag("--queue-bytes-max");
}

void add_grpc(config::Settings& list, server::ServerOptions& to) {
  list.text("grpc.address", to.grpc_address, "HOST:PORT for gRPC; port 0 for any free one")
      .flag("--grpc");
  list.bytes("grpc.message_bytes_max", to.message_bytes_max, 1 << 20, 1 << 30,
             "Bytes of a request message; a snapshot of the largest size needs 20MiB");
  auto& limits = to.limits;
  list.bytes("grpc.metadata_bytes_max", limits.metadata_bytes_max, 1024, 1 << 20,
             "Bytes of a call's metadata; a client of gRPC's own fails with RESOURCE_EXHAUSTED, "
             "others are answered INTERNAL");
  list.number("grpc.streams_max", limits.streams_max, 1, 1'000'000,
              "Calls at a time on one connection; a client holds back what is past it");
  list.duration("grpc.idle_timeout", limits.idle_timeout, 1s, 720h,
                "A connection without calls is closed after so long");
  list.duration("grpc.keepalive", limits.keepalive, 1s, 720h,
                "A silent connection is asked for a sign of life this often");
  list.duration("grpc.keepalive_timeout", limits.keepalive_timeout, 100ms, 10min,
                "And closed when there is none for so long");
  list.duration("grpc.handshake_timeout", limits.handshake_timeout, 100ms, 10min,
                "A connection that says nothing, or not what it must, is closed after so long");
  list.duration("grpc.ping_interval_min", limits.ping_interval_min, 0ms, 1h,
                "Clients that ping more often than this are cut off");
  list.duration("grpc.heartbeat", to.streams.heartbeat, 100ms, 1h,
                "A subscription without news sends an empty message this often");
}

void add_http(config::Settings& list, gateway::HttpOptions& to) {
  list.text("http.address", to.address,
            "HOST:PORT for REST, SSE, gRPC-Web and /docs; port 0 for any free one")
      .flag("--http");
  list.number("http.threads", to.threads, 1, 64, "Threads that serve sockets");
  list.number("http.connections_max", to.connections_max, 1, 1'000'000,
              "Connections at a time, at most half as many as the process may have files open; "
              "one more is answered with 503")
      .reloads();
  list.bytes("http.header_bytes_max", to.header_bytes_max, 1024, 16 * mebibyte,
             "Bytes of a request's line and headers; more is answered with 431")
      .reloads();
  list.number("http.headers_max", to.headers_max, 1, 10'000,
              "Headers of a request; more is answered with 431")
      .reloads();
  list.bytes("http.body_bytes_max", to.body_bytes_max, 0, 2048 * mebibyte,
             "Bytes of a request's body; more is answered with 413")
      .reloads();
  list.duration("http.idle_timeout", to.idle_timeout, 1ms, 24h,
                "How long a connection may rest between requests")
      .reloads();
  list.duration("http.read_timeout", to.read_timeout, 1ms, 24h,
                "How long a request may take to arrive; later is answered with 408")
      .reloads();
  list.duration("http.write_timeout", to.write_timeout, 1ms, 24h,
                "How long a client may take nothing of what is written to it")
      .reloads();
  list.list("http.cors_origins", to.cors_origins,
            "Origins that browsers may call from, such as https://a.example, or *")
      .reloads();
  list.flag_switch("http.cors_credentials", to.cors_credentials,
                   "Let their pages send cookies and client certificates; not with *")
      .reloads();
}

void add_resilience(config::Settings& list, ServeSettings& to) {
  constexpr auto day = 24h;
  list.choice(
          "resilience.preset", to.preset, {"development", "production", "high-throughput"},
          "How a database that fails is dealt with; the others of this section, unless they are "
          "0, stand for what it says")
      .flag("--preset")
      .reloads();
  auto& own = to.resilience;
  list.duration("resilience.timeout", own.timeout, 0ms, day,
                "An operation with all its attempts may take so long")
      .reloads();
  list.number("resilience.attempts_max", own.attempts_max, 0, 1000,
              "Attempts of an operation that may be repeated")
      .reloads();
  list.duration("resilience.retry_delay", own.retry_delay, 0ms, day,
                "Before the second attempt; it grows")
      .reloads();
  list.duration("resilience.retry_delay_max", own.retry_delay_max, 0ms, day, "The longest of these")
      .reloads();
  list.decimal("resilience.failure_ratio", own.failure_ratio, 0, 1,
               "Share of failed operations that opens the circuit")
      .reloads();
  list.number("resilience.calls_min", own.calls_min, 0, 1'000'000,
              "Operations within the window before the circuit may open")
      .reloads();
  list.duration("resilience.open_for", own.open_for, 0ms, day,
                "An open circuit refuses for so long before it tries again")
      .reloads();
  list.number("resilience.successes_to_close", own.successes_to_close, 0, 1'000'000,
              "Operations in a row that must succeed before it closes")
      .reloads();
  auto& recovery = to.recovery;
  list.duration(
          "recovery.delay", recovery.delay, 0ms, 1h,
          "While a circuit is open the database is looked at, after so long and then at growing "
          "intervals, and calls are let through to try once it answers; 0: it is not, and "
          "circuits stay open for all of resilience.open_for")
      .reloads();
  list.duration("recovery.delay_max", recovery.delay_max, 10ms, 1h,
                "The longest time between two such looks")
      .reloads();
  list.duration("recovery.timeout", recovery.timeout, 10ms, 1min, "A look may take so long")
      .reloads();
  list.duration("wait", to.wait, 0ms, day,
                "How long a PostgreSQL that takes no connections yet is waited for at the start");
}

void add_pool(config::Settings& list, ServeSettings& to) {
  auto& pool = to.open.postgres.pool;
  constexpr auto week = 7 * 24h;
  constexpr auto day = 24h;
  list.list(
      "pool.hosts", to.open.postgres.hosts,
      "Further hosts of the PostgreSQL, db2:5432, beside those that its URI names: one of all "
      "is the primary, the others are replicas");
  list.number("pool.size_min", pool.size_min, 0, 1000,
              "Connections for reading that are kept although nobody uses them");
  list.number("pool.size_max", pool.size_max, 1, 1000,
              "Connections for reading; each log that is written to takes one more");
  list.flag_switch(
      "pool.automatic_size", pool.automatic_size,
      "Let what the database can take decide how many are in use, up to pool.size_max");
  list.number("pool.waiting_max", pool.waiting_max, 0, 100'000, "Callers that may wait for one");
  list.duration("pool.connection_timeout", pool.connection_timeout, 1ms, 10min,
                "How long a caller without a deadline waits for one");
  list.duration("pool.command_timeout", pool.command_timeout, 0ms, day,
                "A statement that takes longer is cancelled on the server; 0: none is");
  list.duration("pool.connection_lifetime", pool.connection_lifetime, 0ms, week,
                "A connection so old is replaced; 0: none is");
  list.decimal("pool.lifetime_jitter", pool.lifetime_jitter, 0, 0.9,
               "Share by which lifetimes are shortened at random");
  list.duration("pool.idle_lifetime", pool.idle_lifetime, 0ms, week,
                "One unused for so long is closed, down to pool.size_min; 0: none is");
  list.duration("pool.validate_after", pool.validate_after, 0ms, day,
                "One unused for longer is tried before it is lent; 0: none is");
  list.duration("pool.keepalive", pool.keepalive, 0ms, day,
                "One unused for so long is tried in the background; 0: none is");
  list.duration("pool.leak_detection_threshold", pool.leak_detection_threshold, 0ms, day,
                "One lent for longer is reported; 0: none is");
  auto& tcp = pool.tcp;
  list.duration("pool.tcp_user_timeout", tcp.user_timeout, 0ms, 1h,
                "What the database's host does not acknowledge for so long breaks a connection, of "
                "whatever kind; 0: the system's own limit");
  list.duration("pool.tcp_keepalive_idle", tcp.keepalive_idle, 1s, 2h,
                "A silent connection is asked for a sign of life after so long");
  list.duration("pool.tcp_keepalive_interval", tcp.keepalive_interval, 1s, 10min,
                "And then this often");
  list.number("pool.tcp_keepalive_count", tcp.keepalive_count, 1, 100,
              "After so many without an answer it is broken");
  list.number("pool.auto_prepare_max", pool.auto_prepare_max, 0, 1000,
              "Statements kept prepared on a connection; 0: none, for poolers that can't");
  list.number("pool.auto_prepare_after", pool.auto_prepare_after, 1, 1000,
              "A statement is prepared when it is used for the so-manieth time");
  list.choice("pool.reset_on_return", to.reset_on_return, {"never", "when_changed", "always"},
              "When a connection is made as if new (DISCARD ALL) before it is lent again");
  auto& replicas = to.open.postgres.replicas;
  list.flag_switch("replicas.read", replicas.read, "Read from replicas where that is right");
  list.duration("replicas.lag_max", replicas.lag_max, 1ms, 1h,
                "One that is further behind the primary is left out");
  list.duration("replicas.measure_every", replicas.measure_every, 10ms, 1min,
                "How often each is asked how far it is; at most half of replicas.lag_max");
}

void add_admission(config::Settings& list, ServeSettings& to) {
  auto& own = to.admission;
  constexpr int most = 1'000'000;
  list.number("admission.calls_at_once", own.calls_at_once, 0, most,
              "Calls under way at once, of all clients; more is answered with RESOURCE_EXHAUSTED; "
              "0: no limit")
      .reloads();
  list.number("admission.streams_at_once", own.streams_at_once, 0, most,
              "Streams open at once, likewise")
      .reloads();
  list.number("admission.client_calls", own.client_calls, 0, 10 * most,
              "Calls a second of each client; 0: no limit")
      .reloads();
  list.number("admission.client_streams", own.client_streams, 0, 10 * most,
              "Streams a second that each client may open; 0: no limit")
      .reloads();
  list.number("admission.client_kibibytes", own.client_kibibytes, 0, 10 * most,
              "KiB of requests a second of each client; 0: no limit")
      .reloads();
  list.flag_switch("admission.adaptive", own.adaptive,
                   "Let no more calls be under way than the store shows that it can take, by how "
                   "long they last; within admission.calls_at_once");
  list.number("admission.adaptive_min", own.adaptive_min, 1, 100'000,
              "With admission.adaptive: as many calls may always be under way, and to begin with");
  list.number("admission.adaptive_max", own.adaptive_max, 1, 100'000,
              "With admission.adaptive: never more");
  list.number("admission.clients_max", own.clients_max, 16, 10 * most,
              "Clients that are told apart; past that, the one unused for longest begins anew")
      .reloads();
  list.flag_switch("admission.trust_forwarded", to.service.http.trust_forwarded,
                   "Tell clients over HTTP apart by X-Forwarded-For: only behind a proxy that sets "
                   "it");
  list.bytes("buffers.bytes_max", to.buffers.bytes_max, 0, std::size_t{1} << 30,
             "Memory of messages that is kept to be used again")
      .reloads();
  list.bytes("buffers.buffer_bytes_max", to.buffers.buffer_bytes_max, Buffers::smallest, 64 << 20,
             "A larger one is freed after its use")
      .reloads();
  list.flag_switch("buffers.clear", to.buffers.clear,
                   "Overwrite messages in memory as soon as they were sent")
      .reloads();
}

void add_protection(config::Settings& list, ServeSettings& to) {
  list.text("tls.certificate", to.tls.certificate,
            "PEM file: the server's certificate, followed by those up to its authority");
  list.text("tls.key", to.tls.key, "PEM file: the certificate's private key, not encrypted");
  list.text("tls.client_ca", to.tls.client_ca,
            "PEM file: who shows no certificate of these authorities is turned away (mutual TLS)");
  list.text("access.tokens", to.tokens,
            "File of tokens ('weir token create'): every call needs one, but for /health")
      .flag("--tokens");
  const std::vector<std::string> who = {"loopback", "everybody", "tokens"};
  list.choice("access.metrics", to.metrics_for, who,
              "Who may see /metrics, once there are tokens: everybody while HTTP is on loopback "
              "only, everybody always, or who has any token");
  list.choice("access.docs", to.docs_for, who, "The same for /docs and /openapi.json");
  list.flag_switch("access.listen_unprotected", to.service.listen_unprotected,
                   "Listen on addresses that others can reach although there are no tokens")
      .flag("--insecure-listen-anywhere");
}

}  // namespace

ServeConfiguration::ServeConfiguration() {
  list.text("store", values.store,
            "The events: sqlite:PATH, made when it is not there, or postgres://USER@HOST/NAME")
      .shown_as(without_password);
  list.duration("grace", values.grace, 0ms, 1h,
                "What was accepted may take so long to finish after SIGTERM");
  list.choice("log.format", values.log_format, {"text", "json"}, "text, or json: an object a line");
  list.choice("log.level", values.log_level, {"trace", "debug", "info", "warn", "error", "off"},
              "What is logged from")
      .reloads();
  add_grpc(list, values.service.grpc);
  add_http(list, values.service.http);
  add_protection(list, values);
  add_pool(list, values);
  add_resilience(list, values);
  add_admission(list, values);
  add_limits(list, values.open);
  add_telemetry(list, values);
}

Result<void> ServeConfiguration::check() const {
  WEIR_TRY(check_store(values.store));
  WEIR_TRY(security::split_address(values.service.grpc.grpc_address, "grpc.address"));
  WEIR_TRY(security::split_address(values.service.http.address, "http.address"));
  WEIR_TRY(security::check(values.tls));
  WEIR_TRY(weir::check(values.open.limits));
  WEIR_TRY(gateway::check(values.service.http));
  WEIR_TRY(server::check(admission_options(values)));
  const auto open = open_options(values);
  WEIR_TRY(sql::check(open.postgres.pool));
  WEIR_TRY(sql::check(open.postgres.replicas));
  WEIR_TRY_ASSIGN(strategies, shield_options(values));
  return resilient::check(strategies);
}

OpenOptions open_options(const ServeSettings& settings) {
  auto options = settings.open;
  auto& reset = options.postgres.pool.reset_on_return;
  if (settings.reset_on_return == "when_changed") reset = sql::ResetOnReturn::when_changed;
  if (settings.reset_on_return == "always") reset = sql::ResetOnReturn::always;
  return options;
}

Result<resilient::ShieldOptions> shield_options(const ServeSettings& settings) {
  WEIR_TRY_ASSIGN(options, resilient::preset(settings.preset));
  const auto& own = settings.resilience;
  const auto none = 0ms;
  for (auto* strategies : {&options.read, &options.write}) {
    auto& [timeout, retry, breaker] = *strategies;
    if (own.timeout != none) timeout.after = own.timeout;
    if (own.attempts_max != 0) retry.attempts_max = own.attempts_max;
    if (own.retry_delay != none) retry.delay = own.retry_delay;
    if (own.retry_delay_max != none) retry.delay_max = own.retry_delay_max;
    if (own.failure_ratio != 0) breaker.failure_ratio = own.failure_ratio;
    if (own.calls_min != 0) breaker.calls_min = own.calls_min;
    if (own.open_for != none) breaker.open_for = own.open_for;
    if (own.successes_to_close != 0) breaker.successes_to_close = own.successes_to_close;
  }
  options.recovery = {.delay = settings.recovery.delay,
                      .delay_max = settings.recovery.delay_max,
                      .timeout = settings.recovery.timeout};
  return options;
}

server::AdmissionOptions admission_options(const ServeSettings& settings) {
  using Rate = server::AdmissionOptions::Rate;
  const auto& own = settings.admission;
  const auto at_once = [](int most) { return most == 0 ? std::nullopt : std::optional(most); };
  const auto rate = [](int permits) {
    return permits == 0 ? std::nullopt : std::optional(Rate{.permits = permits});
  };
  std::optional<resilience::AdaptiveLimitOptions> adaptive;
  if (own.adaptive) {
    adaptive = {.name = "admission.adaptive",
                .initial = own.adaptive_min,
                .limit_min = own.adaptive_min,
                .limit_max = own.adaptive_max};
  }
  return {.calls_at_once = at_once(own.calls_at_once),
          .streams_at_once = at_once(own.streams_at_once),
          .adaptive = adaptive,
          .calls = rate(own.client_calls),
          .streams = rate(own.client_streams),
          .kibibytes = rate(own.client_kibibytes),
          .clients_max = own.clients_max};
}

Result<std::unique_ptr<ServeConfiguration>> ServeConfiguration::load(const SettingFlags& flags,
                                                                     const Program& program) {
  auto made = std::make_unique<ServeConfiguration>();
  made->file_ = flags.file;
  if (made->file_.empty()) made->file_ = program.environment("WEIR_CONFIG").value_or("");
  if (!made->file_.empty()) WEIR_TRY(made->list.read_file(made->file_));
  WEIR_TRY(made->list.read_environment(program.environment));
  WEIR_TRY(made->list.read_flags(flags.given));
  WEIR_TRY(made->check());
  return made;
}

Result<std::unique_ptr<ServeConfiguration>> ServeConfiguration::load_file(const std::string& file) {
  auto made = std::make_unique<ServeConfiguration>();
  made->file_ = file;
  WEIR_TRY(made->list.read_file(file));
  WEIR_TRY(made->check());
  WEIR_TRY(server::check_exposure(made->values.service, !made->values.tokens.empty()));
  const Program nothing;
  WEIR_TRY(made->telemetry(nothing));
  return made;
}

std::vector<std::string> ServeConfiguration::unknown_variables(const Program& program) const {
  std::vector<config::Settings::Variable> variables;
  for (const auto& each : program.whole_environment()) {
    const auto end = std::min(each.find('='), each.size());
    variables.push_back({each.substr(0, end), each.substr(std::min(end + 1, each.size()))});
  }
  // What is looked up besides, by other commands too.
  return list.unknown_variables(variables, {"WEIR_CONFIG", "WEIR_TOKEN", "WEIR_TOKEN_FILE"});
}

Result<telemetry::TelemetrySettings> ServeConfiguration::telemetry(const Program& program) const {
  const auto lookup = [&](const char* variable) -> std::optional<std::string> {
    const auto standard = std::find_if(standards.begin(), standards.end(), [&](const auto& each) {
      return std::string_view(each.variable) == variable;
    });
    if (standard == standards.end()) return program.environment(variable);
    return list.find(standard->setting)->value();
  };
  auto read = telemetry::read_environment(lookup);
  if (read) return read;
  // The error names the variable, which may not be what said it.
  auto error = read.error();
  for (const auto& standard : standards) {
    const auto& setting = *list.find(standard.setting);
    const auto named = std::string(standard.variable) + ":";
    if (setting.origin() == config::Origin::standard) continue;
    if (!error.message.starts_with(named)) continue;
    const auto place = setting.origin() == config::Origin::file
                           ? fmt::format("{}: {}:", setting.place(), setting.name())
                           : setting.place() + ":";
    error.message.replace(0, named.size(), place);
  }
  return error;
}

std::string configuration_reference() {
  const ServeConfiguration defaults;
  return config::reference(
      defaults.list,
      "# Settings of weir serve\n\n"
      "Made from the program's own list by `tools/build release configuration_reference`; how to "
      "use them\nis in [configuration.md](../configuration.md). Those marked *Reloads* change on "
      "SIGHUP, the others\nwhen the server starts again.\n");
}

}  // namespace weir::cli
