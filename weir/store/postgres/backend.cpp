#include <weir/store/postgres/backend.hpp>

#include <algorithm>
#include <utility>

#include <weir/base/deadline.hpp>
#include <weir/sql/postgres/errors.hpp>
#include <weir/store/postgres/writer.hpp>

namespace weir::postgres {
namespace {

/// A read without an end that has so many events before it is worth one more question.
constexpr std::uint64_t catch_up_min = 1000;
/// A replica that has not answered by then is left out, and the primary is asked.
constexpr std::chrono::seconds replica_answer_max{2};

constexpr std::string_view select_head = "SELECT head FROM weir.log WHERE id = $1";
constexpr std::string_view select_snapshot =
    "SELECT position, data, saved_at FROM weir.snapshot"
    " WHERE log_id = $1 AND projection = $2 AND query_hash = $3";
constexpr std::string_view upsert_snapshot =
    "INSERT INTO weir.snapshot AS s (log_id, projection, query_hash, position, data, saved_at)"
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (log_id, projection, query_hash) DO UPDATE"
    " SET position = excluded.position, data = excluded.data, saved_at = excluded.saved_at"
    " WHERE s.position <= excluded.position RETURNING true";
constexpr std::string_view remove_snapshot =
    "DELETE FROM weir.snapshot WHERE log_id = $1 AND projection = $2 AND query_hash = $3";
constexpr std::string_view select_tracking =
    "SELECT position FROM weir.tracking WHERE log_id = $1 AND source = $2";

Call snapshot_call(std::string_view text, std::int32_t log_id, const SnapshotKey& key) {
  Call call{.text = text};
  call.params.add_int4(log_id).add_bytea(key.projection).add_bytea(key.query_hash);
  return call;
}

/// Not when its caller gave up, nor when what it replays was in the statement's way.
bool says_replica_is_unwell(const Error& error) {
  return error.code != Code::deadline_exceeded && error.code != Code::cancelled &&
         error.code != Code::resource_exhausted && !sqlstate_of(error).starts_with("40");
}

}  // namespace

LogBackend::LogBackend(std::shared_ptr<Database> database, LogRow log)
    : database_(std::move(database)),
      log_(std::move(log)),
      hasher_(log_.seed, log_.info.options.indexed_keys),
      reading_(
          [database = database_.get()](const Call& call, const CallOptions& options) {
            return database->ask(call, options);
          },
          log_.id, hasher_) {}

LogBackend::~LogBackend() {
  database_->listener().remove(this);
}

Result<std::unique_ptr<engine::Writer>> LogBackend::open_writer() {
  return std::unique_ptr<engine::Writer>(new LogWriter(database_, log_, hasher_));
}

Result<ReadStep> LogBackend::read_step(const ReadRequest& request) {
  if (database_->replicas() != nullptr) {
    if (auto step = read_from_replica(request)) return std::move(*step);
  }
  const auto changes = database_->hosts().changes();
  auto step = reading_.step(request);
  if (step) saw_head(step->head, changes);
  return step;
}

std::optional<Position> LogBackend::known_head(std::size_t changes) const {
  const std::lock_guard lock(mutex_);
  if (hosts_changes_ != changes) return std::nullopt;
  return known_head_;
}

void LogBackend::saw_head(Position head, std::size_t changes) {
  if (database_->replicas() == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (changes < hosts_changes_) return;
  // What a primary had and its successor has not is not there.
  if (std::exchange(hosts_changes_, changes) != changes) known_head_ = Position();
  known_head_ = std::max(known_head_, head);
}

/// Nothing when the primary is to be asked: no replica will do, or it failed, or lacks what is
/// asked for.
std::optional<ReadStep> LogBackend::read_from_replica(const ReadRequest& request) {
  const bool forwards = request.direction == Direction::forwards;
  const auto changes = database_->hosts().changes();
  const auto known = known_head(changes);
  if (!known) return std::nullopt;
  const bool catches_up =
      !request.until && forwards && known->value > request.after.value + catch_up_min;
  if (!catches_up && (!request.until || *request.until > *known)) return std::nullopt;
  auto& replicas = *database_->replicas();
  auto* pool = replicas.choose();
  if (pool == nullptr) return std::nullopt;

  auto bounded = request;
  auto head = *known;
  if (catches_up) {
    const auto now = this->head(request.call);
    if (!now) return std::nullopt;  // the primary is asked again, and says why
    bounded.until = head = *now;
  }
  const Reading reading(
      [pool](const Call& call, const CallOptions& options) -> Result<Rows> {
        const Patience patience{.deadline = options.deadline, .stop = options.stop};
        WEIR_TRY_ASSIGN(session, pool->checkout(patience));
        WEIR_TRY_ASSIGN(answers, session->run({&call, 1}, patience));
        return std::move(answers.front());
      },
      log_.id, hasher_);
  // The primary may need the other half of the caller's time.
  const auto now = database_->clock().instant();
  const auto latest = now + replica_answer_max;
  const auto& deadline = request.call.deadline;
  const auto half = deadline ? now + time_left(*deadline, now) / 2 : latest;
  bounded.call.deadline = std::min(latest, half);
  auto step = reading.step(bounded);
  if (!step) {
    const bool hangs = database_->clock().instant() >= latest;
    if (hangs || says_replica_is_unwell(step.error())) replicas.failed(pool, step.error());
    return std::nullopt;
  }
  // It may have what the new primary has not.
  if (database_->hosts().changes() != changes) return std::nullopt;
  // Its own head is of the same moment as the events.
  if (step->head < *bounded.until) {
    if (!forwards || step->cursor <= request.after) return std::nullopt;
    step->end = request.limit && step->batch.size() >= *request.limit;
  }
  // It may have replayed what the primary does not show yet.
  step->head = head;
  return std::move(*step);
}

Result<Position> LogBackend::head(const CallOptions& options) {
  Call call{.text = select_head};
  call.params.add_int4(log_.id);
  const auto changes = database_->hosts().changes();
  WEIR_TRY_ASSIGN(rows, database_->ask(call, options));
  if (rows.empty()) return damaged("the log's row is gone");
  const Position head(static_cast<std::uint64_t>(rows.int8(0, 0)));
  saw_head(head, changes);
  return head;
}

void LogBackend::on_change_elsewhere(std::function<void()> listener) {
  database_->listener().remove(this);
  if (listener) database_->listener().add(this, log_.id, std::move(listener));
}

Result<std::optional<Snapshot>> LogBackend::load_snapshot(const SnapshotKey& key,
                                                          const CallOptions& options) {
  WEIR_TRY_ASSIGN(rows, database_->ask(snapshot_call(select_snapshot, log_.id, key), options));
  if (rows.empty()) return std::optional<Snapshot>();
  return std::optional<Snapshot>(
      Snapshot{.key = key,
               .position = Position(static_cast<std::uint64_t>(rows.int8(0, 0))),
               .data = std::string(rows.bytes(0, 1)),
               .saved_at = from_micros(rows.int8(0, 2))});
}

Result<bool> LogBackend::save_snapshot(const Snapshot& snapshot, const CallOptions& options) {
  auto call = snapshot_call(upsert_snapshot, log_.id, snapshot.key);
  call.params.add(static_cast<std::int64_t>(snapshot.position.value));
  call.params.add_bytea(snapshot.data).add(snapshot.saved_at.time_since_epoch().count());
  WEIR_TRY_ASSIGN(rows, database_->ask(call, options));
  return !rows.empty();
}

Result<void> LogBackend::delete_snapshot(const SnapshotKey& key, const CallOptions& options) {
  WEIR_TRY_ASSIGN(rows, database_->ask(snapshot_call(remove_snapshot, log_.id, key), options));
  return {};
}

Result<std::optional<std::uint64_t>> LogBackend::tracked(const std::string& source,
                                                         const CallOptions& options) {
  Call call{.text = select_tracking};
  call.params.add_int4(log_.id).add_bytea(source);
  WEIR_TRY_ASSIGN(rows, database_->ask(call, options));
  if (rows.empty()) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(rows.int8(0, 0)));
}

}  // namespace weir::postgres
