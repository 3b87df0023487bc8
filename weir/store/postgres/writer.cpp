#include <weir/store/postgres/writer.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <weir/sql/postgres/errors.hpp>
#include <weir/store/postgres/event_row.hpp>
#include <weir/store/postgres/reading.hpp>

namespace weir::postgres {
namespace {

/// Missed events in bytes; the newest that fit. More would only be held to be indexed.
constexpr std::int64_t missed_bytes_max = 64 << 20;
/// Missed events that are fetched while the log is locked. More are fetched before that.
constexpr std::int64_t locked_events_max = 1024;
/// How often to fetch before locking, while others append more than that meanwhile.
constexpr int fetches_max = 3;
constexpr std::chrono::milliseconds settle_pause{50};
constexpr std::chrono::hours writers_kept{24 * 7};

constexpr std::string_view begin_transaction = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
constexpr std::string_view commit_transaction = "COMMIT";
constexpr std::string_view roll_back = "ROLLBACK";
constexpr std::string_view lock_log =
    "SELECT head, recorded_at FROM weir.log WHERE id = $1 FOR UPDATE";
// The same, and whether the event that the writer knows is still there. That one may be asked for
// before the lock is had: it was committed before this began, and events never change.
constexpr std::string_view lock_log_and_find =
    "SELECT head, recorded_at, (SELECT true FROM weir.event e WHERE e.log_id = $1"
    " AND e.position = $2 AND e.checksum = $3 AND e.recorded_at = $4)"
    " FROM weir.log WHERE id = $1 FOR UPDATE";

// Each statement sees what was committed when it began, so these see all that the lock's last
// holder wrote. None when there are more than $5.
const std::string missed_events =
    "SELECT " + std::string(event_columns) + " FROM (SELECT " + std::string(event_columns) +
    ", sum(bytes) OVER (ORDER BY position DESC) AS total FROM weir.event WHERE log_id = $1"
    " AND position > greatest($2, (SELECT head FROM weir.log WHERE id = $1) - $3)"
    " AND (SELECT head - greatest($2, head - $3) FROM weir.log WHERE id = $1) <= $5) newest"
    " WHERE total <= $4 ORDER BY position";
constexpr std::string_view recorded_keys =
    "SELECT i.* FROM unnest($2::bytea[]) AS wanted(key) CROSS JOIN LATERAL"
    " (SELECT key, fingerprint_high, fingerprint_low, first, last, recorded_at"
    " FROM weir.idempotency i WHERE i.log_id = $1 AND i.key = wanted.key LIMIT 1) i";
constexpr std::string_view recorded_sources =
    "SELECT t.* FROM unnest($2::bytea[]) AS wanted(source) CROSS JOIN LATERAL (SELECT source,"
    " position FROM weir.tracking t WHERE t.log_id = $1 AND t.source = wanted.source LIMIT 1) t";

constexpr std::string_view insert_terms =
    "INSERT INTO weir.term (log_id, term, position)"
    " SELECT $1, t.term, t.position FROM unnest($2, $3) AS t(term, position)";
constexpr std::string_view insert_keys =
    "INSERT INTO weir.idempotency (log_id, key, fingerprint_high, fingerprint_low, first, last,"
    " recorded_at) SELECT $1, k.* FROM unnest($2, $3, $4, $5, $6, $7) AS k"
    " ON CONFLICT (log_id, key) DO UPDATE SET fingerprint_high = excluded.fingerprint_high,"
    " fingerprint_low = excluded.fingerprint_low, first = excluded.first, last = excluded.last,"
    " recorded_at = excluded.recorded_at";
// As many as can be spared a look, so that a commit never waits for a long list to be forgotten.
constexpr std::string_view forget_keys =
    "DELETE FROM weir.idempotency WHERE ctid = ANY(ARRAY(SELECT ctid FROM weir.idempotency"
    " WHERE log_id = $1 AND recorded_at < $2 ORDER BY recorded_at LIMIT 1000))";
constexpr std::string_view upsert_sources =
    "INSERT INTO weir.tracking (log_id, source, position)"
    " SELECT $1, s.* FROM unnest($2, $3) AS s"
    " ON CONFLICT (log_id, source) DO UPDATE SET position = excluded.position";

// One statement for what every commit does. A role may have synchronous_commit off; an
// acknowledgement means the data is on disk all the same.
constexpr std::string_view finish =
    "WITH head AS (UPDATE weir.log SET head = $2, recorded_at = $3 WHERE id = $1),"
    " writer AS (INSERT INTO weir.writer (id, log_id, batch, used_at) VALUES ($4, $1, $5, $3)"
    " ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, used_at = excluded.used_at)"
    " SELECT pg_notify('weir_append', $6), set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply'"
    " ELSE 'on' END, true)";
constexpr std::string_view commit_durably =
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)";
constexpr std::string_view batch_of_writer = "SELECT batch FROM weir.writer WHERE id = $1";
constexpr std::string_view forget_writers =
    "DELETE FROM weir.writer WHERE log_id = $1 AND used_at < $2";

/// Errors by which a server says itself that it does not know.
bool is_ambiguous(const Error& error) {
  return has_sqlstate(error, "40003") || has_sqlstate(error, "08007");
}

Error gone() {
  return unavailable("PostgreSQL: the connection is broken");
}

Params names(std::int32_t log_id, std::span<const std::string_view> names) {
  Params params;
  params.add_int4(log_id).begin_array(Oid::bytea, names.size());
  for (const auto name : names) params.element(name);
  return params;
}

Params key_params(std::int32_t log_id, std::span<const engine::KeyRecord> keys) {
  Params params;
  params.add_int4(log_id);
  params.begin_array(Oid::bytea, keys.size());
  for (const auto& record : keys) params.element(record.key);
  const auto column = [&](auto&& value_of) {
    params.begin_array(Oid::int8, keys.size());
    for (const auto& record : keys) params.element(static_cast<std::int64_t>(value_of(record)));
  };
  column([](auto& r) { return r.fingerprint.high; });
  column([](auto& r) { return r.fingerprint.low; });
  column([](auto& r) { return r.answer.first.value; });
  column([](auto& r) { return r.answer.last.value; });
  column([](auto& r) { return to_micros(r.answer.recorded_at); });
  return params;
}

Params source_params(std::int32_t log_id, std::span<const Tracking> sources) {
  Params params;
  params.add_int4(log_id);
  params.begin_array(Oid::bytea, sources.size());
  for (const auto& tracking : sources) params.element(tracking.source);
  params.begin_array(Oid::int8, sources.size());
  for (const auto& tracking : sources) {
    params.element(static_cast<std::int64_t>(tracking.position));
  }
  return params;
}

Result<Batch> batch_of(const Rows& rows) {
  BatchBuilder builder;
  EventDecoder decoder(0);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    WEIR_TRY(decoder.decode(rows, row));
    decoder.add_to(builder);
  }
  return std::move(builder).build();
}

/// Those of both past `after`, when the second goes on where the first ends; else the second.
Batch joined(Batch first, Batch second, Position after) {
  if (first.empty()) return second;
  if (!second.empty() && second.first() != first.last().next()) return second;
  if (second.empty() && first.first() > after) return first;
  BatchBuilder builder;
  builder.reserve(first.bytes() + second.bytes());
  for (const auto* batch : {&first, &second}) {
    for (const auto& event : *batch) {
      if (event.position() > after) builder.add(event.position(), event.wire());
    }
  }
  return std::move(builder).build();
}

std::vector<engine::KeyRecord> keys_of(const Rows& rows) {
  std::vector<engine::KeyRecord> keys;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    keys.push_back({.key = std::string(rows.bytes(row, 0)),
                    .fingerprint = {.high = static_cast<std::uint64_t>(rows.int8(row, 1)),
                                    .low = static_cast<std::uint64_t>(rows.int8(row, 2))},
                    .answer = {.first = position_of(rows.int8(row, 3)),
                               .last = position_of(rows.int8(row, 4)),
                               .recorded_at = from_micros(rows.int8(row, 5))}});
  }
  return keys;
}

std::vector<Tracking> sources_of(const Rows& rows) {
  std::vector<Tracking> sources;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    sources.push_back({.source = std::string(rows.bytes(row, 0)),
                       .position = static_cast<std::uint64_t>(rows.int8(row, 1))});
  }
  return sources;
}

}  // namespace

LogWriter::LogWriter(std::shared_ptr<Database> database, const LogRow& log,
                     const engine::TermHasher& hasher)
    : database_(std::move(database)),
      log_id_(log.id),
      hasher_(hasher),
      id_(make_uuid_v7(database_->clock().now())) {}

LogWriter::~LogWriter() {
  disconnect();
}

Patience LogWriter::patience(std::chrono::milliseconds time) const {
  const auto until = database_->clock().instant() + time;
  return {.deadline = latest_ ? std::min(*latest_, until) : until};
}

Result<void> LogWriter::connect(const Patience& patience) {
  WEIR_TRY_ASSIGN(session,
                  Session::connect(database_->writer_connection(), database_->clock(), patience));
  session_ = std::move(session);
  session_id_ = make_uuid_v7(database_->clock().now());
  database_->listener().add_own(session_id_);
  return {};
}

void LogWriter::disconnect() {
  begun_ = false;
  if (!session_) return;
  database_->listener().remove_own(session_id_);
  session_.reset();
}

Result<engine::Begun> LogWriter::begin(const engine::BeginRequest& request) {
  latest_ = request.deadline;
  const bool fresh = session_ == nullptr;
  if (fresh) WEIR_TRY(connect_anew());
  auto begun = catch_up_and_begin(request);
  if (begun || session_) return begun;
  // The connection has gone while nothing was under way; nothing is lost by trying a new one.
  if (fresh || begun.error().code != Code::unavailable) return begun;
  WEIR_TRY(connect({.deadline = latest_}));
  return catch_up_and_begin(request);
}

Result<void> LogWriter::connect_anew() {
  WEIR_TRY(connect({.deadline = latest_}));
  Params old;
  old.add_int4(log_id_).add(to_micros(database_->clock().now() - writers_kept));
  WEIR_TRY(session_->execute(forget_writers, old, patience(database_->options().write_time_max)));
  return {};
}

/// All other writers wait while the log is locked, so what takes long is fetched before.
Result<engine::Begun> LogWriter::catch_up_and_begin(const engine::BeginRequest& request) {
  Batch fetched;
  auto rest = request;
  bool behind = std::exchange(first_, false) && request.missed_max > 0;
  for (int fetches = 0;; ++fetches) {
    if (behind) {
      WEIR_TRY_ASSIGN(newer, fetch(rest.known, rest.missed_max));
      if (!newer.empty()) rest.known = newer.last();
      fetched = joined(std::move(fetched), std::move(newer), request.known);
    }
    const bool last = fetches == fetches_max;
    WEIR_TRY_ASSIGN(begun, try_begin(rest, last ? INT64_MAX : locked_events_max));
    const Position oldest(begun.head.value - std::min(begun.head.value, request.missed_max));
    behind = begun.missed.empty() && std::max(rest.known, oldest) < begun.head;
    if (!behind || last) {
      // The log was put back meanwhile: it need not hold what was fetched.
      if (!fetched.empty() && fetched.last() > begun.head) fetched = Batch();
      begun.missed = joined(std::move(fetched), std::move(begun.missed), oldest);
      return begun;
    }
    rollback();
    if (!session_) return gone();
    latest_ = request.deadline;
  }
}

Call LogWriter::missed_call(Position known, std::size_t newest, std::int64_t missed_max) const {
  Call call{.text = missed_events};
  call.params.add_int4(log_id_).add(static_cast<std::int64_t>(known.value));
  call.params.add(static_cast<std::int64_t>(newest)).add(missed_bytes_max).add(missed_max);
  return call;
}

Result<Batch> LogWriter::fetch(Position known, std::size_t newest) {
  const std::vector<Call> calls = {missed_call(known, newest, INT64_MAX)};
  auto answers = session_->run(calls, patience(database_->options().write_time_max));
  if (!answers) {
    disconnect();
    return answers.error();
  }
  auto batch = batch_of(answers->front());
  if (!batch) disconnect();
  return batch;
}

Result<engine::Begun> LogWriter::try_begin(const engine::BeginRequest& request,
                                           std::int64_t missed_max) {
  std::vector<Call> calls(2);
  calls[0].text = begin_transaction;
  calls[1].text = request.mark ? lock_log_and_find : lock_log;
  calls[1].params.add_int4(log_id_);
  if (const auto& mark = request.mark) {
    calls[1].params.add(static_cast<std::int64_t>(mark->position.value));
    calls[1]
        .params.add(static_cast<std::int64_t>(mark->checksum))
        .add(to_micros(mark->recorded_at));
  }
  calls.push_back(missed_call(request.known, request.missed_max, missed_max));
  if (!request.keys.empty()) {
    calls.push_back({.text = recorded_keys, .params = names(log_id_, request.keys)});
  }
  if (!request.sources.empty()) {
    calls.push_back({.text = recorded_sources, .params = names(log_id_, request.sources)});
  }
  const auto& options = database_->options();
  auto answers = session_->run(calls, patience(options.lock_time_max + options.write_time_max));
  if (!answers) {
    rollback();
    return answers.error();
  }
  if ((*answers)[1].empty()) {
    rollback();
    return damaged("the log's row is gone");
  }
  auto missed = batch_of((*answers)[2]);
  if (!missed) {
    rollback();
    return missed.error();
  }
  engine::Begun begun{.head = position_of((*answers)[1].int8(0, 0)),
                      .recorded_at = from_micros((*answers)[1].int8(0, 1)),
                      .missed = std::move(*missed),
                      .rewound = request.mark && (*answers)[1].is_null(0, 2)};
  begun_ = true;
  head_ = begun.head;
  recorded_at_ = begun.recorded_at;
  std::size_t next = 3;
  if (!request.keys.empty()) begun.keys = keys_of((*answers)[next++]);
  if (!request.sources.empty()) begun.sources = sources_of((*answers)[next]);
  return begun;
}

/// Anything else that reads might wait for an administrator's lock, which waits for this
/// transaction. No caller's deadline ends it, since with that it would end the whole group.
Result<ReadStep> LogWriter::read_step(const ReadRequest& request) {
  if (!begun_) return gone();
  const Reading reading(
      [this](const Call& call, const CallOptions&) -> Result<Rows> {
        WEIR_TRY_ASSIGN(answers,
                        session_->run({&call, 1}, patience(database_->options().write_time_max)));
        return std::move(answers.front());
      },
      log_id_, hasher_);
  auto step = reading.step(request);
  if (!step) rollback();
  return step;
}

void LogWriter::rollback() {
  begun_ = false;
  if (!session_) return;
  if (session_->broken()) return disconnect();
  // The server rolls back by itself when the connection ends.
  latest_.reset();
  const auto rolled_back =
      session_->execute(roll_back, {}, patience(database_->options().write_time_max));
  if (!rolled_back || session_->server_left()) disconnect();
}

void LogWriter::add_terms(Params& params, const engine::Group& group) const {
  struct Row {
    engine::Term term;
    Position position;
    auto operator<=>(const Row&) const = default;
  };
  std::vector<Row> rows;
  std::vector<engine::Term> terms;
  std::vector<std::string_view> tags;
  for (const auto& added : group.events) {
    const auto& event = *added.event;
    terms.clear();
    tags.assign(event.tags.begin(), event.tags.end());
    engine::add_terms(
        hasher_, event.type, tags,
        is_json(event.content_type) ? std::string_view(event.data) : std::string_view(), terms);
    for (const auto term : terms) rows.push_back({term, added.position});
  }
  // In the index's order neighbours land on one page.
  std::sort(rows.begin(), rows.end());
  params.add_int4(log_id_);
  params.begin_array(Oid::int8, rows.size());
  for (const auto& row : rows) params.element(static_cast<std::int64_t>(row.term));
  params.begin_array(Oid::int8, rows.size());
  for (const auto& row : rows) params.element(static_cast<std::int64_t>(row.position.value));
}

Params LogWriter::finish_params(const engine::Group& group) const {
  const auto head = group.events.empty() ? head_ : group.events.back().position;
  const auto recorded_at = group.events.empty() ? recorded_at_ : group.recorded_at;
  Params params;
  params.add_int4(log_id_).add(static_cast<std::int64_t>(head.value)).add(to_micros(recorded_at));
  params.add(id_).add(batch_).add(std::string_view(announcement(log_id_, session_id_)));
  return params;
}

Result<void> LogWriter::commit(const engine::Group& group) {
  if (!std::exchange(begun_, false)) return engine::nothing_recorded(gone());
  latest_ = group.deadline;
  ++batch_;
  std::vector<Call> calls;
  if (!group.events.empty()) {
    calls.push_back({.text = insert_events, .params = encode_events(log_id_, group)});
    calls.push_back({.text = insert_terms});
    add_terms(calls.back().params, group);
  }
  if (!group.keys.empty()) {
    calls.push_back({.text = insert_keys, .params = key_params(log_id_, group.keys)});
    calls.push_back({.text = forget_keys});
    calls.back().params.add_int4(log_id_).add(to_micros(group.keys_expire_before));
  }
  if (!group.sources.empty()) {
    calls.push_back({.text = upsert_sources, .params = source_params(log_id_, group.sources)});
  }
  calls.push_back({.text = finish, .params = finish_params(group)});
  calls.push_back({.text = commit_transaction});

  const auto answers = session_->run(calls, patience(database_->options().write_time_max));
  if (answers && answers->back().command() != "COMMIT") {
    return internal_bug("PostgreSQL: the transaction had failed before its commit");
  }
  // With a warning it may be on this server's disk alone.
  if (answers && !answers->back().warned()) return {};
  latest_.reset();
  if (answers || session_->broken() || is_ambiguous(answers.error())) return settle(group);
  rollback();
  return engine::nothing_recorded(answers.error());
}

Result<void> LogWriter::settle(const engine::Group& group) {
  disconnect();
  const auto until = patience(database_->options().settle_time_max);
  while (true) {
    const auto recorded = took_effect(until);
    if (recorded && *recorded) return {};
    if (recorded) {
      return engine::nothing_recorded(
          unavailable("PostgreSQL: the connection broke before the commit; nothing was recorded"));
    }
    if (group.on_failed_try) group.on_failed_try(recorded.error());
    if (database_->clock().instant() >= *until.deadline) break;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable().wait_for(lock, settle_pause);
  }
  // Should it have taken effect, our own subscribers have not been told.
  database_->listener().call(log_id_);
  return unavailable(
      "PostgreSQL: nothing confirmed the commit in time; whether it was recorded is unknown");
}

/// Having the lock means that the transaction in question has ended, this way or that. The commit
/// here comes after that one, so once the replicas that the server waits for have it, they have
/// that one too; the other may have been cut while it waited for them.
Result<bool> LogWriter::took_effect(const Patience& patience) {
  if (!session_) WEIR_TRY(connect(patience));
  std::vector<Call> calls(5);
  calls[0].text = begin_transaction;
  calls[1] = {.text = lock_log};
  calls[1].params.add_int4(log_id_);
  calls[2] = {.text = batch_of_writer};
  calls[2].params.add(id_);
  calls[3].text = commit_durably;
  calls[4].text = commit_transaction;
  const auto answers = session_->run(calls, patience);
  if (!answers) {
    disconnect();
    return answers.error();
  }
  if (answers->back().warned()) {
    return unavailable("PostgreSQL: a commit no longer waits for the replicas that it must reach");
  }
  const auto& batch = (*answers)[2];
  return !batch.empty() && batch.int8(0, 0) == batch_;
}

}  // namespace weir::postgres
