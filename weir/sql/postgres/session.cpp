#include <weir/sql/postgres/session.hpp>

#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>

#include <fmt/format.h>

#include <weir/base/deadline.hpp>
#include <weir/sql/postgres/errors.hpp>

namespace weir::postgres {
namespace {

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

std::string_view text_of(const char* text) {
  return text == nullptr ? "" : text;
}

std::string without_end_of_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text);
}

/// By the command's tag, whether it may have left something that outlives its transaction.
bool changes_session(std::string_view tag) {
  for (const std::string_view word : {"SET", "RESET", "LISTEN", "UNLISTEN", "PREPARE", "DECLARE",
                                      "CREATE TABLE", "SELECT INTO", "LOAD"}) {
    if (tag.starts_with(word)) return true;
  }
  return false;
}

/// A pooler gave this connection another server than that on which the statement was prepared; or
/// a table has been altered since, so that the rows would look different ("cached plan must not
/// change result type").
bool prepared_for_else(const Error& error) {
  return has_sqlstate(error, "26000") || has_sqlstate(error, "42P05") ||
         has_sqlstate(error, "0A000");
}

}  // namespace

/// What a run has sent and what came back for it.
class Session::Answers {
 public:
  enum class Kind : std::uint8_t { rows, prepared, dropped };

  void expect(Kind kind, std::string name = {}) { expected_.push_back({kind, std::move(name)}); }

  /// For a script: ends with no more results rather than with a synchronisation.
  bool simple = false;

  void take(pg_result* raw, bool with_warning, StatementCache& statements) {
    Rows rows(raw, with_warning);
    warned = warned || with_warning;
    switch (PQresultStatus(raw)) {
      case PGRES_PIPELINE_SYNC:
        done = true;
        return;
      case PGRES_PIPELINE_ABORTED:
        return;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
        break;
      default:
        if (!error) {
          error = error_of(text_of(PQresultErrorField(raw, PG_DIAG_SQLSTATE)),
                           text_of(PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY)));
        }
        return;
    }
    if (simple || at_ >= expected_.size()) return;
    const auto& expected = expected_[at_++];
    switch (expected.kind) {
      case Kind::rows:
        executed = true;
        changed = changed || changes_session(rows.command());
        results.push_back(std::move(rows));
        break;
      case Kind::prepared:
        statements.prepared(expected.name);
        break;
      case Kind::dropped:
        statements.dropped(expected.name);
        break;
    }
  }

  bool done = false;
  /// At least one of its statements has been executed.
  bool executed = false;
  /// At least one was to be executed by the name under which it is prepared.
  bool by_name = false;
  bool changed = false;
  /// While a statement is being cancelled a warning may say that a commit, though done, has not
  /// reached the replicas that it must reach.
  bool warned = false;
  std::vector<Rows> results;
  std::optional<Error> error;

 private:
  struct Expected {
    Kind kind;
    std::string name;
  };
  std::vector<Expected> expected_;
  std::size_t at_ = 0;
};

void Session::Close::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Error Session::break_off() {
  broken_ = server_left_ = true;
  return error_of("", without_end_of_line(text_of(PQerrorMessage(connection_.get()))));
}

Error Session::replaced() {
  broken_ = server_left_ = true;
  return unavailable(
      fmt::format("PostgreSQL: {}:{} is no longer the primary: another host has taken its place",
                  target_.host, target_.port));
}

Result<void> Session::wait(Interest interest, const Patience& patience) {
  short events = 0;
  if (interest != Interest::write) events |= POLLIN;
  if (interest != Interest::read) events |= POLLOUT;
  const auto wake = [this] {
    const std::uint64_t one = 1;
    // The counter can't be full: it is two per wait at most, and read below.
    [[maybe_unused]] const auto written = write(stop_event_, &one, sizeof one);
  };
  std::optional<std::stop_callback<std::function<void()>>> on_stop, on_replaced;
  if (patience.stop.stop_possible()) on_stop.emplace(patience.stop, wake);
  if (replaced_.stop_possible()) on_replaced.emplace(replaced_, wake);
  while (true) {
    if (patience.stop.stop_requested()) return cancelled();
    if (replaced_.stop_requested()) return replaced();
    int timeout = -1;
    if (patience.deadline) {
      const auto left = time_left(*patience.deadline, clock_.instant());
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

bool Session::send_unprepared(std::string_view text, const Params& params) {
  const Arguments arguments(params);
  return PQsendQueryParams(connection_.get(), std::string(text).c_str(), arguments.count(),
                           arguments.types.data(), arguments.values.data(),
                           arguments.lengths.data(), arguments.formats.data(), binary) == 1;
}

bool Session::send(const Call& call, Answers& answers) {
  auto* connection = connection_.get();
  const auto way = call.prepare ? statements_.use(call.text) : StatementCache::Way();
  for (const auto& name : way.drop) {
    if (!send_unprepared("DEALLOCATE " + name, {})) return false;
    answers.expect(Answers::Kind::dropped, name);
  }
  if (way.name.empty()) {
    answers.expect(Answers::Kind::rows);
    return send_unprepared(call.text, call.params);
  }
  answers.by_name = true;
  const Arguments arguments(call.params);
  if (way.prepare) {
    if (PQsendPrepare(connection, way.name.c_str(), std::string(call.text).c_str(),
                      arguments.count(), arguments.types.data()) != 1) {
      return false;
    }
    answers.expect(Answers::Kind::prepared, way.name);
  }
  answers.expect(Answers::Kind::rows);
  return PQsendQueryPrepared(connection, way.name.c_str(), arguments.count(),
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
        answers.take(result, std::exchange(warned_, false), statements_);
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

/// The command timeout may end a run before its caller's patience does.
Session::Bounds Session::bounds(const Patience& patience) const {
  if (command_timeout_ == command_timeout_.zero()) return {patience};
  const auto latest = clock_.instant() + command_timeout_;
  if (patience.deadline && *patience.deadline <= latest) return {patience};
  return {{.deadline = latest, .stop = patience.stop}, true};
}

std::shared_ptr<Canceller::Sent> Session::ask_to_stop() {
  struct Free {
    void operator()(pg_cancel* cancel) const { PQfreeCancel(cancel); }
  };
  std::unique_ptr<pg_cancel, Free> cancel(PQgetCancel(connection_.get()));
  if (!cancel) return nullptr;
  return Canceller::of_process().request([cancel = std::move(cancel)] {
    char problem[256];
    return PQcancel(cancel.get(), problem, sizeof problem) == 1;
  });
}

/// Waits for the answers to what was sent, and gives up for good when the patience ends.
Result<void> Session::settle(Answers& answers, Result<void> sent, const Patience& patience) {
  if (!sent) return sent;
  const auto bounded = bounds(patience);
  warned_ = false;
  auto collected = collect(answers, bounded.patience);
  const bool late = !collected && collected.error().code == Code::deadline_exceeded;
  if (late && !broken_ && bounded.by_command_timeout) collected = stop_statement(answers, patience);
  statements_.end_run();
  changed_ = changed_ || answers.changed;
  if (PQstatus(connection_.get()) == CONNECTION_BAD) broken_ = server_left_ = true;
  if (answers.error && server_is_leaving(sqlstate_of(*answers.error))) server_left_ = true;
  if (!collected && !broken_) {
    // A cancellation may arrive late and hit the next statement, so there will be none.
    broken_ = true;
    // Should it not be sent, the server notices when it finds the connection closed.
    ask_to_stop();
    return collected;
  }
  if (answers.error) return *answers.error;
  return collected;
}

/// After the command timeout: has the statement stopped, and waits until it and the request to stop
/// it have ended, so that the connection can be used again.
Result<void> Session::stop_statement(Answers& answers, const Patience& patience) {
  const auto sent = ask_to_stop();
  auto until = clock_.instant() + cancellation_timeout_;
  if (patience.deadline) until = std::min(until, *patience.deadline);
  const auto ended = collect(answers, {.deadline = until, .stop = patience.stop});
  auto late = deadline_passed();
  late.message =
      fmt::format("PostgreSQL: no answer within {} ms (command_timeout)", command_timeout_.count());
  if (!ended) {
    broken_ = true;
    return late;
  }
  if (!sent || !sent->wait_until(until)) broken_ = true;  // it may still hit a later statement
  if (answers.error) {
    if (has_sqlstate(*answers.error, "57014")) answers.error = late;
  } else if (answers.warned) {
    // It was a commit that had to wait for its replicas, and no longer does.
    broken_ = true;
    late.message += "; whether it took effect is unknown";
    return late;
  }
  return {};
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
  const bool idle = !in_transaction();
  Tried tried;
  auto results = try_round_trip(calls, patience, tried);
  const bool as_prepared = !results && tried.by_name && prepared_for_else(results.error());
  if (broken_ || !as_prepared) return results;
  statements_.turn_off();
  // Nothing of it has been done, so that it may be done again.
  if (!tried.executed && idle && !in_transaction()) return try_round_trip(calls, patience, tried);
  auto error = results.error();
  error.code = Code::unavailable;
  error.reason = Reason::engine_unavailable;
  return error;
}

Result<std::vector<Rows>> Session::try_round_trip(std::span<const Call> calls,
                                                  const Patience& patience, Tried& tried) {
  if (broken_) return unavailable("PostgreSQL: the connection is broken");
  if (patience.stop.stop_requested()) return cancelled();
  if (replaced_.stop_requested()) return replaced();
  Answers answers;
  bool sent = true;
  for (const auto& call : calls) sent = sent && send(call, answers);
  sent = sent && PQpipelineSync(connection_.get()) == 1;
  const auto settled = settle(answers, sent ? Result<void>() : break_off(), patience);
  tried = {.executed = answers.executed, .by_name = answers.by_name};
  if (!settled) return settled.error();
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
  changed_ = true;
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
      notifications.push_back({notify->relname, notify->extra});
      PQfreemem(notify);
    }
    if (!notifications.empty()) return notifications;
    WEIR_TRY(wait(Interest::read, patience));
  }
}

bool Session::lost() {
  if (replaced_.stop_requested()) broken_ = server_left_ = true;
  if (broken_) return true;
  pollfd fd{.fd = PQsocket(connection_.get()), .events = POLLIN | POLLRDHUP, .revents = 0};
  const int ready = poll(&fd, 1, 0);
  constexpr short gone = POLLRDHUP | POLLHUP | POLLERR | POLLNVAL;
  if (ready > 0 && (fd.revents & gone) != 0) broken_ = server_left_ = true;
  return broken_;
}

bool Session::in_transaction() const {
  return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
}

int Session::process() const {
  return PQbackendPID(connection_.get());
}

}  // namespace weir::postgres
