#include <libpq-fe.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/uuid.hpp>
#include <weir/sql/postgres/errors.hpp>
#include <weir/sql/postgres/session.hpp>

namespace weir::postgres {
namespace {

/// What a server says when it refuses a connection, with its SQLSTATE, which libpq gives only as
/// part of the text: "... FATAL:  53300: sorry, too many clients already".
struct Refusal {
  std::string_view sqlstate = {};
  std::string_view message;
};

Refusal read_refusal(std::string_view text) {
  constexpr std::string_view before = ":  ";
  constexpr std::size_t length = 5;
  for (auto at = text.find(before); at != text.npos; at = text.find(before, at + 1)) {
    const auto state = text.substr(at + before.size(), length);
    const auto rest = text.substr(std::min(at + before.size() + length, text.size()));
    const bool looks_like_one =
        state.size() == length && std::all_of(state.begin(), state.end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        });
    if (looks_like_one && rest.starts_with(": ")) return {state, rest.substr(2)};
  }
  return {.message = text};
}

std::string prefix_of_statements(const Clock& clock) {
  const auto uuid = make_uuid_v7(clock.now());
  std::string prefix = "weir_";
  // The random part.
  for (std::size_t i = 8; i < 16; ++i) prefix += fmt::format("{:02x}", uuid.bytes[i]);
  return prefix;
}

bool is_on(const char* value) {
  return value != nullptr && std::string_view(value) == "on";
}

/// Of attempts at several hosts: what they have in common, else that nobody could be reached.
Error none_of(const std::vector<Error>& errors, Role role) {
  if (errors.size() == 1) return errors.front();
  Error error = errors.front();
  const bool same = std::all_of(errors.begin(), errors.end(),
                                [&](const Error& other) { return other.code == error.code; });
  if (!same) error = unavailable("");
  std::string all;
  for (const auto& other : errors) {
    all += fmt::format("{}{}", all.empty() ? "" : "; ", other.message);
    error.retry_after = std::max(error.retry_after, other.retry_after);
  }
  const auto* wanted = role == Role::primary   ? "no primary among the hosts"
                       : role == Role::replica ? "no replica among the hosts"
                                               : "no host can be connected to";
  error.message = fmt::format("PostgreSQL: {}: {}", wanted, all);
  return error;
}

}  // namespace

Session::Session(pg_conn* connection, const ConnectOptions& options, const Clock& clock)
    : connection_(connection),
      clock_(clock),
      command_timeout_(options.command_timeout),
      cancellation_timeout_(options.cancellation_timeout),
      settings_(options.settings),
      reports_(options.reporting),
      statements_(options.prepare, prefix_of_statements(clock)),
      stop_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Session::~Session() {
  if (stop_event_ >= 0) close(stop_event_);
}

Result<std::unique_ptr<Session>> Session::connect(const ConnectOptions& options, const Clock& clock,
                                                  const Patience& patience) {
  auto hosts = options.hosts;
  if (!hosts) {
    WEIR_TRY_ASSIGN(own, Hosts::of(options.uri));
    hosts = std::move(own);
  }
  std::vector<Error> errors;
  for (const auto index : hosts->order()) {
    auto session = connect_to(*hosts, index, options, clock, patience);
    if (session && options.role == Role::primary) {
      if (auto replaced = hosts->found_primary(index, (*session)->timeline_)) {
        (*session)->replaced_ = std::move(*replaced);
      } else {
        session = unavailable(
            fmt::format("PostgreSQL: {} takes writes on timeline {}, which a fail-over has ended",
                        to_string(hosts->all()[index]), (*session)->timeline_));
      }
    }
    if (session) return session;
    // Whoever gives up says nothing about the host.
    if (patience.stop.stop_requested()) return cancelled();
    if (patience.deadline && clock.instant() >= *patience.deadline) return deadline_passed();
    if (options.role != Role::replica) hosts->failed(index);
    errors.push_back(std::move(session.error()));
    if (errors.back().code == Code::invalid_argument) return errors.back();
  }
  return none_of(errors, options.role);
}

Result<std::unique_ptr<Session>> Session::connect_to(const Hosts& hosts, std::size_t index,
                                                     const ConnectOptions& options,
                                                     const Clock& clock, const Patience& patience) {
  const auto& host = hosts.all()[index];
  // What stands before dbname is a default that the address may override; what stands after it
  // overrides the address. Empty values are as if they were not there.
  const bool chosen = options.role != Role::any;
  const char* keywords[] = {"keepalives_idle",
                            "keepalives_interval",
                            "keepalives_count",
                            "tcp_user_timeout",
                            "fallback_application_name",
                            "dbname",
                            "client_encoding",
                            "host",
                            "hostaddr",
                            "port",
                            "target_session_attrs",
                            nullptr};
  const auto in_seconds = [](std::chrono::milliseconds time) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count());
  };
  const auto idle = in_seconds(options.tcp.keepalive_idle);
  const auto interval = in_seconds(options.tcp.keepalive_interval);
  const auto count = std::to_string(options.tcp.keepalive_count);
  const auto user_timeout = std::to_string(options.tcp.user_timeout.count());
  const char* values[] = {idle.c_str(),
                          interval.c_str(),
                          count.c_str(),
                          user_timeout.c_str(),
                          options.application_name.c_str(),
                          options.uri.c_str(),
                          "UTF8",
                          host.name.c_str(),
                          host.address.c_str(),
                          host.port.c_str(),
                          chosen ? "any" : "",
                          nullptr};
  auto* raw = PQconnectStartParams(keywords, values, 1);
  if (raw == nullptr) return unavailable("PostgreSQL: out of memory");
  std::unique_ptr<Session> session(new Session(raw, options, clock));
  if (session->stop_event_ < 0) return unavailable("PostgreSQL: no event descriptor is left");
  if (options.role == Role::primary) session->replaced_ = hosts.replaced(index);

  // Notices and warnings would be printed to standard error; errors come with the results.
  PQsetNoticeReceiver(
      raw,
      [](void* warned, const PGresult* notice) {
        const auto* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
        if (severity != nullptr && std::string_view(severity) == "WARNING") {
          *static_cast<bool*>(warned) = true;
        }
      },
      &session->warned_);
  PQsetErrorVerbosity(raw, PQERRORS_VERBOSE);  // for refused()

  Patience connecting = patience;
  const auto latest = clock.instant() + options.connect_time_max;
  const bool ours = !patience.deadline || latest < *patience.deadline;
  if (ours) connecting.deadline = latest;
  auto connected = session->finish_connecting(connecting);
  if (connected) {
    const auto text = [](const char* of) { return std::string(of == nullptr ? "" : of); };
    session->target_ = {.system = "postgresql",
                        .database = text(PQdb(raw)),
                        .host = text(PQhost(raw)),
                        .port = text(PQport(raw))};
    connected = session->check_role(options.role, hosts.all().size() > 1, connecting);
  }
  if (connected) connected = session->apply_settings(connecting);
  if (connected) return session;
  auto error = connected.error();
  if (ours && error.code == Code::deadline_exceeded) {
    error = unavailable(fmt::format("PostgreSQL: no connection to {} within {} ms", to_string(host),
                                    options.connect_time_max.count()));
  }
  return error;
}

Result<void> Session::finish_connecting(const Patience& patience) {
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return refused();
  auto status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    WEIR_TRY(wait(status == PGRES_POLLING_WRITING ? Interest::write : Interest::read, patience));
    status = PQconnectPoll(connection_.get());
    if (status == PGRES_POLLING_FAILED) return refused();
  }
  PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  if (PQsetnonblocking(connection_.get(), 1) != 0 || PQenterPipelineMode(connection_.get()) != 1) {
    return break_off();
  }
  return {};
}

Error Session::refused() {
  broken_ = true;
  const auto* text = PQerrorMessage(connection_.get());
  const auto refusal = read_refusal(text == nullptr ? "" : text);
  std::string_view message = refusal.message.substr(0, refusal.message.find("\nLOCATION:"));
  while (message.ends_with('\n') || message.ends_with(' ')) message.remove_suffix(1);
  return error_of(refusal.sqlstate, message);
}

/// Since version 14 servers report what they are as they accept a connection, and report changes; a
/// pooler may keep that to itself.
Result<void> Session::check_role(Role role, bool of_several, const Patience& patience) {
  if (role == Role::any) return {};
  const auto* recovering = PQparameterStatus(connection_.get(), "in_hot_standby");
  const auto* read_only = PQparameterStatus(connection_.get(), "default_transaction_read_only");
  bool replica = is_on(recovering), writable = !replica && !is_on(read_only);
  if (recovering == nullptr || read_only == nullptr) {
    const Call call{.text =
                        "SELECT pg_is_in_recovery(),"
                        " current_setting('transaction_read_only') = 'off'",
                    .prepare = false};
    WEIR_TRY_ASSIGN(answers, run({&call, 1}, patience));
    replica = answers.front().boolean(0, 0);
    writable = answers.front().boolean(0, 1);
  }
  if (role == Role::primary && writable && of_several) {
    const Call call{.text =
                        "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))"
                        "::bit(32)::int4",
                    .prepare = false};
    const auto answers = run({&call, 1}, patience);
    if (answers) timeline_ = static_cast<std::uint32_t>(answers->front().int4(0, 0));
    // A server that does not say is as good as one that has no others beside it.
    if (!answers && broken_) return answers.error();
  }
  if (role == Role::primary ? writable : replica) return {};
  return unavailable(fmt::format("PostgreSQL: {}:{} {}", target_.host, target_.port,
                                 role == Role::replica ? "is not a replica"
                                 : replica             ? "is a replica, which takes no writes"
                                                       : "takes no writes (it is read-only)"));
}

Result<void> Session::apply_settings(const Patience& patience) {
  std::vector<Call> calls;
  for (const auto& [name, value] : settings_) {
    calls.push_back({.text = "SELECT set_config($1, $2, false)", .params = {}, .prepare = false});
    calls.back().params.add(std::string_view(name)).add(std::string_view(value));
  }
  if (calls.empty()) return {};
  calls.push_back({.text = "SELECT pg_backend_pid()", .prepare = false});
  WEIR_TRY_ASSIGN(answers, run(calls, patience));
  // A pooler gives out numbers of its own; the next transaction may be another server's.
  if (answers.back().int4(0, 0) != process()) statements_.turn_off();
  return {};
}

Result<void> Session::reset(const Patience& patience) {
  // Alone: the server refuses it beside other statements.
  const Call discard{.text = "DISCARD ALL", .prepare = false};
  if (const auto discarded = run({&discard, 1}, patience); !discarded) return discarded.error();
  statements_.forget();
  changed_ = false;
  return apply_settings(patience);
}

}  // namespace weir::postgres
