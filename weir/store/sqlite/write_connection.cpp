#include <weir/store/sqlite/write_connection.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <weir/base/deadline.hpp>

namespace weir::sqlite {
namespace {

std::string blob_of(const engine::Fingerprint& fingerprint) {
  std::string blob(16, '\0');
  std::memcpy(blob.data(), &fingerprint.high, 8);
  std::memcpy(blob.data() + 8, &fingerprint.low, 8);
  return blob;
}

engine::Fingerprint fingerprint_of(std::string_view blob) {
  engine::Fingerprint fingerprint;
  if (blob.size() == 16) {
    std::memcpy(&fingerprint.high, blob.data(), 8);
    std::memcpy(&fingerprint.low, blob.data() + 8, 8);
  }
  return fingerprint;
}

std::chrono::milliseconds patience(std::optional<Instant> deadline,
                                   std::chrono::milliseconds most) {
  if (!deadline) return most;
  const auto left = time_left(*deadline, system_clock().instant());
  return std::min(most, std::chrono::ceil<std::chrono::milliseconds>(left));
}

Batch reversed(const Batch& batch) {
  std::vector<std::pair<Position, std::string_view>> events;
  events.reserve(batch.size());
  for (const auto& event : batch) events.emplace_back(event.position(), event.wire());
  BatchBuilder builder;
  builder.reserve(batch.bytes());
  std::for_each(events.rbegin(), events.rend(),
                [&](const auto& event) { builder.add(event.first, event.second); });
  return std::move(builder).build();
}

/// The newest events past what the request knows, while others wait for the file: from its end on,
/// so that what would be too much is not even read.
Result<Batch> read_missed(WriteConnection::Open& open, const engine::BeginRequest& request,
                          Position head) {
  const Position oldest(head.value - std::min<std::uint64_t>(head.value, request.missed_max));
  open.missed.bind(1, static_cast<std::int64_t>(std::max(oldest, request.known).value));
  BatchBuilder newest_first;
  const auto read = [&]() -> Result<void> {
    while (newest_first.bytes() < request.missed_bytes_max) {
      WEIR_TRY_ASSIGN(there, open.missed.step());
      if (!there) break;
      WEIR_TRY_ASSIGN(fields, open.row.read(open.missed));
      newest_first.add(*fields);
    }
    return {};
  }();
  open.missed.reset();
  WEIR_TRY(read);
  return reversed(std::move(newest_first).build());
}

/// Events of a commit up to which they take the place of others in memory.
constexpr std::size_t kept_events_max = 256;

}  // namespace

Result<std::unique_ptr<WriteConnection::Open>> WriteConnection::open() {
  auto options = file_->options();
  options.create = false;
  WEIR_TRY_ASSIGN(session, open_for_writing(options));
  // The file may have been replaced since it was opened.
  WEIR_TRY(migrate(session, options));
  session.on_commit([this](int pages) { wal_pages_.store(pages, std::memory_order_relaxed); });
  WEIR_TRY_ASSIGN(begin, session.prepare("BEGIN IMMEDIATE"));
  WEIR_TRY_ASSIGN(commit, session.prepare("COMMIT"));
  WEIR_TRY_ASSIGN(rollback, session.prepare("ROLLBACK"));
  WEIR_TRY_ASSIGN(last, session.prepare("SELECT position, recorded_at FROM event "
                                        "ORDER BY position DESC LIMIT 1"));
  WEIR_TRY_ASSIGN(mark, session.prepare(select_mark));
  WEIR_TRY_ASSIGN(key, session.prepare("SELECT fingerprint, first_position, last_position, "
                                       "recorded_at FROM idempotency WHERE key = ?"));
  WEIR_TRY_ASSIGN(tracked, session.prepare("SELECT position FROM tracking WHERE source = ?"));
  WEIR_TRY_ASSIGN(missed, session.prepare(fmt::format("SELECT {} FROM event WHERE position > ? "
                                                      "ORDER BY position DESC",
                                                      event_columns)));
  WEIR_TRY_ASSIGN(put_key,
                  session.prepare("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)"));
  WEIR_TRY_ASSIGN(forget_keys,
                  session.prepare("DELETE FROM idempotency WHERE key IN (SELECT key FROM "
                                  "idempotency WHERE recorded_at < ? ORDER BY recorded_at "
                                  "LIMIT 64)"));
  WEIR_TRY_ASSIGN(put_tracking, session.prepare("INSERT OR REPLACE INTO tracking VALUES (?, ?)"));
  WEIR_TRY_ASSIGN(put_snapshot,
                  session.prepare("INSERT INTO snapshot VALUES (?1, ?2, ?3, ?4, ?5) "
                                  "ON CONFLICT (projection, query_hash) DO UPDATE SET "
                                  "position = ?3, data = ?4, saved_at = ?5 WHERE position <= ?3 "
                                  "RETURNING position"));
  WEIR_TRY_ASSIGN(delete_snapshot, session.prepare("DELETE FROM snapshot WHERE projection = ? "
                                                   "AND query_hash = ?"));
  WEIR_TRY_ASSIGN(rows, RowWriter::create(session));
  WEIR_TRY_ASSIGN(index, IndexApplier::create(session));
  return std::unique_ptr<Open>(new Open{
      std::move(session), std::move(begin), std::move(commit), std::move(rollback), std::move(last),
      std::move(mark), std::move(key), std::move(tracked), std::move(missed), std::move(put_key),
      std::move(forget_keys), std::move(put_tracking), std::move(put_snapshot),
      std::move(delete_snapshot), std::move(rows), RowReader(), std::move(index)});
}

Result<WriteConnection::Open*> WriteConnection::begin(std::optional<Instant> deadline) {
  std::unique_lock lock(mutex_);
  auto opened = open_ ? Result<std::unique_ptr<Open>>(nullptr) : open();
  // Afterwards, so that it can't be replaced in between; and this says better why nothing opens.
  WEIR_TRY(file_->check_place());
  if (!opened) return opened.error();
  if (*opened) open_ = std::move(opened).value();
  open_->session.set_busy_timeout(patience(deadline, file_->options().busy_timeout));
  if (const auto begun = open_->begin.run(); !begun) {
    open_.reset();
    return deadline && system_clock().instant() >= *deadline ? deadline_passed() : begun.error();
  }
  // Held until the transaction ends, which may be on another thread's turn of the same committer.
  lock.release();
  return open_.get();
}

void WriteConnection::rollback() {
  if (const auto rolled_back = open_->rollback.run(); !rolled_back) open_.reset();
  mutex_.unlock();
}

Result<std::vector<const IndexStep*>> WriteConnection::apply_index(std::size_t events) {
  const auto steps = queue_->peek(queue_->share(events));
  if (steps.empty()) return steps;
  WEIR_TRY_ASSIGN(generation, open_->index.generation());
  if (generation != queue_->generation()) {
    queue_->lose();
    return std::vector<const IndexStep*>();
  }
  for (const auto* step : steps) WEIR_TRY(open_->index.apply(*step));
  return steps;
}

Result<void> WriteConnection::commit(std::size_t events) {
  const std::unique_lock lock(mutex_, std::adopt_lock);
  const auto applied = apply_index(events);
  if (!applied) return failed(applied.error());
  if (const auto committed = open_->commit.run(); !committed) return failed(committed.error());
  const bool published = std::any_of(applied->begin(), applied->end(), [](const IndexStep* step) {
    return std::holds_alternative<PublishRun>(*step);
  });
  if (published) file_->forget_end();
  if (!applied->empty()) queue_->done(*applied);
  return {};
}

Result<void> WriteConnection::take_index() {
  WEIR_TRY_ASSIGN(open, begin());
  auto generation = open->index.generation();
  if (generation) {
    if (const auto advanced = open->index.advance(); !advanced) generation = advanced.error();
  }
  if (!generation) {
    rollback();
    return generation.error();
  }
  queue_->restart(*generation + 1);
  return commit(0);
}

Result<void> WriteConnection::exclusively(const std::function<Result<void>()>& work) {
  const std::lock_guard lock(mutex_);
  return work();
}

Error WriteConnection::failed(const Error& error) {
  // Whatever state the connection is in, the next transaction does not begin from it; and whether
  // the steps are on disk, only the disk can tell.
  open_.reset();
  queue_->lose();
  return error;
}

Result<engine::Begun> FileWriter::begin(const engine::BeginRequest& request) {
  WEIR_TRY_ASSIGN(open, connection_->begin(request.deadline));
  auto begun = look(*open, request);
  if (!begun) {
    connection_->rollback();
    return begun;
  }
  open_ = open;
  state_ = file_->state();
  kept_ = file_->kept();
  return begun;
}

Result<engine::Begun> FileWriter::look(WriteConnection::Open& open,
                                       const engine::BeginRequest& request) {
  engine::Begun begun;
  WEIR_TRY_ASSIGN(row, open.last.step());
  if (row) {
    begun.head = position_of(open.last.integer(0));
    begun.recorded_at = from_micros(open.last.integer(1));
  }
  open.last.reset();
  if (request.mark) {
    WEIR_TRY_ASSIGN(there, mark_at(open.mark, request.mark->position));
    begun.rewound = there != request.mark;
  }
  if (begun.rewound || begun.head < request.known) {
    file_->forget();
    connection_->lose_index();
  }

  if (begun.head > request.known) {
    WEIR_TRY_ASSIGN(missed, read_missed(open, request, begun.head));
    begun.missed = std::move(missed);
  }
  for (const auto key : request.keys) {
    open.key.bind_text(1, key);
    WEIR_TRY_ASSIGN(known, open.key.step());
    if (known) {
      begun.keys.push_back({.key = std::string(key),
                            .fingerprint = fingerprint_of(open.key.text(0)),
                            .answer = {.first = position_of(open.key.integer(1)),
                                       .last = position_of(open.key.integer(2)),
                                       .recorded_at = from_micros(open.key.integer(3))}});
    }
    open.key.reset();
  }
  for (const auto source : request.sources) {
    open.tracked.bind_text(1, source);
    WEIR_TRY_ASSIGN(known, open.tracked.step());
    if (known) {
      begun.sources.push_back({.source = std::string(source),
                               .position = static_cast<std::uint64_t>(open.tracked.integer(0))});
    }
    open.tracked.reset();
  }
  return begun;
}

Result<void> FileWriter::write(WriteConnection::Open& open, const engine::Group& group) {
  for (const auto& event : group.events) WEIR_TRY(open.rows.insert(event, group.recorded_at));
  for (const auto& record : group.keys) {
    const auto blob = blob_of(record.fingerprint);
    open.put_key.bind_text(1, record.key);
    open.put_key.bind_blob(2, blob);
    open.put_key.bind(3, static_cast<std::int64_t>(record.answer.first.value));
    open.put_key.bind(4, static_cast<std::int64_t>(record.answer.last.value));
    open.put_key.bind(5, to_micros(record.answer.recorded_at));
    WEIR_TRY(open.put_key.run());
  }
  if (!group.keys.empty()) {
    open.forget_keys.bind(1, to_micros(group.keys_expire_before));
    WEIR_TRY(open.forget_keys.run());
  }
  for (const auto& tracking : group.sources) {
    open.put_tracking.bind_text(1, tracking.source);
    open.put_tracking.bind(2, static_cast<std::int64_t>(tracking.position));
    WEIR_TRY(open.put_tracking.run());
  }
  return {};
}

Result<void> FileWriter::commit(const engine::Group& group) {
  auto* open = std::exchange(open_, nullptr);
  if (const auto written = write(*open, group); !written) {
    connection_->rollback();
    return written.error();
  }
  WEIR_TRY(connection_->commit(group.events.size()));
  keep(group);
  if (!group.events.empty()) file_->moved_end(state_, group.events.back().position);
  return {};
}

/// Few events are likely to be read again soon: by those who decide, and by subscribers. Many at
/// once are an import, and only fill what would else stay empty.
void FileWriter::keep(const engine::Group& group) {
  if (group.events.size() > kept_events_max && !kept_->has_room_for_new()) return;
  EventFields fields;
  BatchBuilder builder;
  for (const auto& event : group.events) {
    fields.position = event.position;
    fields.id = event.event->id ? &*event.event->id : nullptr;
    fields.type = event.event->type;
    fields.tags.assign(event.event->tags.begin(), event.event->tags.end());
    fields.data = event.event->data;
    fields.content_type = event.event->content_type;
    fields.metadata.clear();
    for (const auto& [key, value] : event.event->metadata) fields.metadata.emplace_back(key, value);
    fields.occurred_at = event.occurred_at;
    fields.recorded_at = group.recorded_at;
    fields.tracking_source = event.tracking ? event.tracking->source : std::string_view();
    fields.tracking_position = event.tracking ? event.tracking->position : 0;
    builder.add(fields);
    kept_->put_new(event.position, builder.last());
  }
}

}  // namespace weir::sqlite
