#include <weir/sql/postgres/session.hpp>

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include <weir/sql/postgres/errors.hpp>

namespace weir::postgres {
namespace {

/// An address that can't be read is the caller's mistake, not a database that is down.
Result<void> check_uri(const std::string& uri) {
  char* problem = nullptr;
  auto* parsed = PQconninfoParse(uri.c_str(), &problem);
  const std::unique_ptr<char, void (*)(void*)> freed(problem, PQfreemem);
  if (parsed == nullptr) {
    std::string_view text = problem != nullptr ? problem : "out of memory";
    while (text.ends_with('\n')) text.remove_suffix(1);
    return invalid_field("store", text);
  }
  PQconninfoFree(parsed);
  return {};
}

constexpr std::size_t prepared_max = 128;
constexpr int binary = 1;

struct Arguments {
  explicit Arguments(const Params& params) {
    for (std::size_t i = 0; i < params.size(); ++i) {
      const auto bytes = params.bytes(i);
      types.push_back(static_cast<::Oid>(params.type(i)));
      values.push_back(bytes.data());
      lengths.push_back(static_cast<int>(bytes.size()));
      formats.push_back(binary);
    }
  }
  int count() const { return static_cast<int>(types.size()); }

  std::vector<::Oid> types;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};

std::string_view text_of(const char* text) { return text == nullptr ? "" : text; }

std::string without_end_of_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

/// What a run has sent and what came back for it.
class Session::Answers {
 public:
  void expect_prepared(std::string text, std::string name) {
    expected_.push_back({std::move(text), std::move(name)});
  }
  void expect_rows() { expected_.push_back({}); }

  struct Name {
    std::string text;
    bool known = false;  ///< prepared earlier in this run
  };
  Name name_for(std::string_view text, std::size_t prepared) const {
    std::size_t number = prepared;
    for (const auto& expected : expected_) {
      if (expected.name.empty()) continue;
      if (expected.text == text) return {expected.name, true};
      ++number;
    }
    return {fmt::format("w{}", number), false};
  }

  /// For a script: ends with no more results rather than with a synchronisation.
  bool simple = false;

  void take(pg_result* raw, std::map<std::string, std::string, std::less<>>& prepared) {
    Rows rows(raw);
    switch (PQresultStatus(raw)) {
      case PGRES_PIPELINE_SYNC: done = true; return;
      case PGRES_PIPELINE_ABORTED: return;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK: break;
      default:
        if (!error) {
          error = error_of(text_of(PQresultErrorField(raw, PG_DIAG_SQLSTATE)),
                           text_of(PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY)));
        }
        return;
    }
    if (simple || at_ >= expected_.size()) return;
    auto& expected = expected_[at_++];
    if (expected.name.empty()) {
      results.push_back(std::move(rows));
    } else {
      prepared.emplace(std::move(expected.text), std::move(expected.name));
    }
  }

  bool done = false;
  std::vector<Rows> results;
  std::optional<Error> error;

 private:
  struct Expected {
    std::string text;
    std::string name;  ///< empty: rows are expected
  };
  std::vector<Expected> expected_;
  std::size_t at_ = 0;
};

void Session::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

Session::Session(pg_conn* connection, const Clock& clock, const StatementReporting& reporting)
    : connection_(connection),
      clock_(clock),
      reports_(reporting),
      stop_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Session::~Session() {
  if (stop_event_ >= 0) close(stop_event_);
}

Result<std::unique_ptr<Session>> Session::connect(const ConnectOptions& options,
                                                  const Clock& clock, const Patience& patience) {
  // What stands before dbname is a default that the address may override.
  const char* keywords[] = {"keepalives_idle", "keepalives_interval", "keepalives_count",
                            "tcp_user_timeout", "fallback_application_name", "dbname",
                            "client_encoding", nullptr};
  const char* values[] = {"15", "5", "3", "30000", options.application_name.c_str(),
                          options.uri.c_str(), "UTF8", nullptr};
  WEIR_TRY(check_uri(options.uri));
  auto* raw = PQconnectStartParams(keywords, values, 1);
  if (raw == nullptr) return unavailable("PostgreSQL: out of memory");
  std::unique_ptr<Session> session(new Session(raw, clock, options.reporting));
  if (session->stop_event_ < 0) return unavailable("PostgreSQL: no event descriptor is left");

  // Notices and warnings would be printed to standard error; errors come with the results.
  PQsetNoticeReceiver(raw, [](void*, const PGresult*) {}, nullptr);

  Patience connecting = patience;
  const auto latest = clock.instant() + options.connect_time_max;
  const bool ours = !patience.deadline || latest < *patience.deadline;
  if (ours) connecting.deadline = latest;
  auto connected = session->finish_connecting(connecting);
  if (connected) connected = session->apply(options, connecting);
  if (connected) {
    const auto text = [](const char* of) { return std::string(of == nullptr ? "" : of); };
    session->target_ = {text(PQdb(raw)), text(PQhost(raw)), text(PQport(raw))};
    return session;
  }
  if (ours && connected.error().code == Code::deadline_exceeded) {
    return unavailable(fmt::format("PostgreSQL: no connection within {} ms",
                                   options.connect_time_max.count()));
  }
  return connected.error();
}

Result<void> Session::finish_connecting(const Patience& patience) {
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return break_off();
  auto status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    WEIR_TRY(wait(status == PGRES_POLLING_WRITING ? Interest::write : Interest::read, patience));
    status = PQconnectPoll(connection_.get());
    if (status == PGRES_POLLING_FAILED) return break_off();
  }
  if (PQsetnonblocking(connection_.get(), 1) != 0 || PQenterPipelineMode(connection_.get()) != 1) {
    return break_off();
  }
  return {};
}

Result<void> Session::apply(const ConnectOptions& options, const Patience& patience) {
  std::vector<Call> calls;
  for (const auto& [name, value] : options.settings) {
    calls.push_back({.text = "SELECT set_config($1, $2, false)", .params = {}});
    calls.back().params.add(std::string_view(name)).add(std::string_view(value));
  }
  if (calls.empty()) return {};
  if (const auto applied = run(calls, patience); !applied) return applied.error();
  return {};
}

Error Session::break_off() {
  broken_ = true;
  return error_of("", without_end_of_line(text_of(PQerrorMessage(connection_.get()))));
}

Result<void> Session::wait(Interest interest, const Patience& patience) {
  short events = 0;
  if (interest != Interest::write) events |= POLLIN;
  if (interest != Interest::read) events |= POLLOUT;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  if (patience.stop.stop_possible()) {
    on_stop.emplace(patience.stop, [this] {
      const std::uint64_t one = 1;
      // The counter can't be full: it is one per wait, and read below.
      [[maybe_unused]] const auto written = write(stop_event_, &one, sizeof one);
    });
  }
  while (true) {
    if (patience.stop.stop_requested()) return cancelled();
    int timeout = -1;
    if (patience.deadline) {
      const auto left = *patience.deadline - clock_.instant();
      if (left <= left.zero()) return deadline_passed();
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      timeout = static_cast<int>(std::min<std::int64_t>(ms, 60'000));
    }
    pollfd fds[2] = {{.fd = PQsocket(connection_.get()), .events = events, .revents = 0},
                     {.fd = stop_event_, .events = POLLIN, .revents = 0}};
    const int ready = poll(fds, 2, timeout);
    if (ready < 0 && errno != EINTR) return break_off();
    if (ready <= 0) continue;
    if (fds[1].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto taken = read(stop_event_, &count, sizeof count);
    }
    if (fds[0].revents != 0) return {};
  }
}

bool Session::send(const Call& call, Answers& answers) {
  auto* connection = connection_.get();
  const Arguments arguments(call.params);
  const auto found = prepared_.find(call.text);
  if (found != prepared_.end()) {
    answers.expect_rows();
    return PQsendQueryPrepared(connection, found->second.c_str(), arguments.count(),
                               arguments.values.data(), arguments.lengths.data(),
                               arguments.formats.data(), binary) == 1;
  }
  std::string text(call.text);
  if (!call.prepare || prepared_.size() >= prepared_max) {
    answers.expect_rows();
    return PQsendQueryParams(connection, text.c_str(), arguments.count(), arguments.types.data(),
                             arguments.values.data(), arguments.lengths.data(),
                             arguments.formats.data(), binary) == 1;
  }
  const auto name = answers.name_for(text, prepared_.size());
  if (!name.known) {
    if (PQsendPrepare(connection, name.text.c_str(), text.c_str(), arguments.count(),
                      arguments.types.data()) != 1) {
      return false;
    }
    answers.expect_prepared(std::move(text), name.text);
  }
  answers.expect_rows();
  return PQsendQueryPrepared(connection, name.text.c_str(), arguments.count(),
                             arguments.values.data(), arguments.lengths.data(),
                             arguments.formats.data(), binary) == 1;
}

Result<void> Session::collect(Answers& answers, const Patience& patience) {
  auto* connection = connection_.get();
  while (true) {
    const int unsent = PQflush(connection);
    // When sending fails the server may still have said why, so read on.
    while (!PQisBusy(connection)) {
      auto* result = PQgetResult(connection);
      if (result != nullptr) {
        answers.take(result, prepared_);
        if (answers.done) return {};
        continue;
      }
      if (answers.simple) return {};
      if (PQstatus(connection) == CONNECTION_BAD) return break_off();
    }
    WEIR_TRY(wait(unsent == 1 ? Interest::both : Interest::read, patience));
    if (PQconsumeInput(connection) != 1 && PQisBusy(connection)) return break_off();
  }
}

/// Waits for the answers to what was sent, and gives up for good when the patience ends.
Result<void> Session::settle(Answers& answers, Result<void> sent, const Patience& patience) {
  if (!sent) return sent;
  auto collected = collect(answers, patience);
  if (PQstatus(connection_.get()) == CONNECTION_BAD) broken_ = true;
  if (!collected && !broken_) {
    // A cancellation may arrive late and hit the next statement, so there will be none.
    broken_ = true;
    if (auto* cancel = PQgetCancel(connection_.get()); cancel != nullptr) {
      char problem[256];
      // Should it fail, the server notices when it finds the connection closed.
      [[maybe_unused]] const int asked = PQcancel(cancel, problem, sizeof problem);
      PQfreeCancel(cancel);
    }
    return collected;
  }
  if (answers.error) return *answers.error;
  return collected;
}

Result<std::vector<Rows>> Session::run(std::span<const Call> calls, const Patience& patience) {
  if (!reports_.reporting()) return round_trip(calls, patience);
  std::vector<std::string_view> texts;
  for (const auto& call : calls) texts.push_back(call.text);
  StatementReports::Trip trip(reports_, target_, texts, clock_.instant());
  auto results = round_trip(calls, patience);
  trip.end(results ? nullptr : &results.error(), clock_.instant());
  return results;
}

Result<std::vector<Rows>> Session::round_trip(std::span<const Call> calls,
                                              const Patience& patience) {
  if (broken_) return unavailable("PostgreSQL: the connection is broken");
  if (patience.stop.stop_requested()) return cancelled();
  Answers answers;
  bool sent = true;
  for (const auto& call : calls) sent = sent && send(call, answers);
  sent = sent && PQpipelineSync(connection_.get()) == 1;
  WEIR_TRY(settle(answers, sent ? Result<void>() : break_off(), patience));
  return std::move(answers.results);
}

Result<Rows> Session::execute(std::string_view text, const Params& params,
                              const Patience& patience) {
  const Call call{.text = text, .params = params};
  WEIR_TRY_ASSIGN(results, run({&call, 1}, patience));
  return std::move(results.front());
}

Result<void> Session::run_script(const std::string& script, const Patience& patience) {
  if (broken_) return unavailable("PostgreSQL: the connection is broken");
  auto* connection = connection_.get();
  Answers answers;
  answers.simple = true;
  const bool sent =
      PQexitPipelineMode(connection) == 1 && PQsendQuery(connection, script.c_str()) == 1;
  WEIR_TRY(settle(answers, sent ? Result<void>() : break_off(), patience));
  if (PQenterPipelineMode(connection) != 1) return break_off();
  return {};
}

Result<std::vector<Notification>> Session::wait_for_notifications(const Patience& patience) {
  if (broken_) return unavailable("PostgreSQL: the connection is broken");
  while (true) {
    if (PQconsumeInput(connection_.get()) != 1) return break_off();
    std::vector<Notification> notifications;
    while (auto* notify = PQnotifies(connection_.get())) {
      notifications.push_back({notify->relname, notify->extra, notify->be_pid});
      PQfreemem(notify);
    }
    if (!notifications.empty()) return notifications;
    WEIR_TRY(wait(Interest::read, patience));
  }
}

int Session::process() const { return PQbackendPID(connection_.get()); }

}  // namespace weir::postgres
