#include <weir/store/testing/memory_store.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/store/testing/memory_log.hpp>

namespace weir::testing {
namespace {

void add(BatchBuilder& builder, const RecordedEvent& event) {
  EventFields fields{.position = event.position,
                     .id = event.id ? &*event.id : nullptr,
                     .type = event.type,
                     .tags = {event.tags.begin(), event.tags.end()},
                     .data = event.data,
                     .content_type = event.content_type,
                     .occurred_at = event.occurred_at,
                     .recorded_at = event.recorded_at};
  for (const auto& [key, value] : event.metadata) fields.metadata.emplace_back(key, value);
  if (event.tracking) {
    fields.tracking_source = event.tracking->source;
    fields.tracking_position = event.tracking->position;
  }
  builder.add(fields);
}

bool in_range(const TimeRange& range, Timestamp time) {
  return (!range.from || time >= *range.from) && (!range.until || time <= *range.until);
}

Error not_increasing(const Tracking& tracking, std::uint64_t recorded) {
  return {.code = Code::failed_precondition,
          .reason = Reason::tracking_not_increasing,
          .message = fmt::format("tracking: position {} of source '{}' is not past {}",
                                 tracking.position, tracking.source, recorded),
          .details = {{"position", std::to_string(recorded)}}};
}

Error key_reused(const std::string& key) {
  return {.code = Code::already_exists,
          .reason = Reason::idempotency_key_reused,
          .message = fmt::format("idempotency_key: '{}' was used with other events", key)};
}

Result<void> judge(const MemoryLog& log, const AppendRequest& request) {
  if (request.condition) {
    const auto after = request.condition->after.value_or(Position());
    for (auto i = after.value; i < log.events.size(); ++i) {
      const auto& event = log.events[i];
      if (selects(request.condition->fail_if_events_match, event)) {
        return condition_failed(event.position.value);
      }
    }
  }
  if (request.tracking) {
    const auto known = log.sources.find(request.tracking->source);
    if (known != log.sources.end() && request.tracking->position <= known->second) {
      return not_increasing(*request.tracking, known->second);
    }
  }
  return {};
}

Appended record(MemoryLog& log, const AppendRequest& request) {
  auto now = log.options.clock->now();
  if (!log.events.empty()) now = std::max(now, log.events.back().recorded_at);
  const auto before = log.head();
  for (const auto& event : request.events) {
    auto id = event.id;
    if (!id && request.make_ids) id = make_uuid_v7(now);
    log.events.push_back({.position = log.head().next(),
                          .id = id,
                          .type = event.type,
                          .tags = event.tags,
                          .data = event.data,
                          .content_type = event.content_type,
                          .metadata = event.metadata,
                          .occurred_at = event.occurred_at.value_or(now),
                          .recorded_at = now,
                          .tracking = request.tracking});
  }
  if (request.tracking) log.sources[request.tracking->source] = request.tracking->position;
  const auto first = request.events.empty() ? before : before.next();
  return {.first = first, .last = log.head(), .recorded_at = now};
}

}  // namespace

Result<void> check_call(const CallOptions& call, const Clock& clock) {
  if (call.stop.stop_requested()) return cancelled();
  if (call.deadline && clock.instant() >= *call.deadline) return deadline_passed();
  return {};
}

bool selects(const Query& query, const RecordedEvent& event) {
  const std::vector<std::string_view> tags(event.tags.begin(), event.tags.end());
  return matches(query, {.type = event.type,
                         .tags = tags,
                         .json = is_json(event.content_type) ? event.data : std::string_view()});
}

ReadStep scan(const MemoryLog& log, const ReadRequest& request) {
  const auto head = log.head();
  const auto until = std::min(request.until.value_or(head), head);
  const bool forwards = request.direction == Direction::forwards;
  ReadStep step{.head = head, .cursor = forwards ? request.after : until.next()};
  if (request.after >= until || request.limit == 0U) {
    step.end = true;
    return step;
  }
  BatchBuilder builder;
  const auto count = until.value - request.after.value;
  std::uint64_t looked_at = 0;
  while (looked_at < count) {
    if (looked_at == log.options.scanned_max || builder.size() == request.batch_events_max ||
        builder.size() == request.limit || builder.bytes() >= request.batch_bytes_max) {
      break;
    }
    const auto position = forwards ? request.after.value + 1 + looked_at : until.value - looked_at;
    const auto& event = log.events[position - 1];
    if (selects(request.query, event) && in_range(request.occurred, event.occurred_at)) {
      add(builder, event);
    }
    step.cursor = Position(position);
    ++looked_at;
  }
  step.end = looked_at == count || builder.size() == request.limit;
  step.batch = std::move(builder).build();
  return step;
}

MemoryStore::MemoryStore(std::string name, LogOptions log_options, MemoryOptions options)
    : info_{.name = std::move(name),
            .options = std::move(log_options),
            .created_at = options.clock->now()},
      log_(std::make_shared<MemoryLog>(options)) {}

MemoryStore::~MemoryStore() = default;

void MemoryStore::read_step(ReadRequest request, Done<ReadStep> done) {
  done(read_step(std::move(request)));
}

Result<ReadStep> MemoryStore::read_step(ReadRequest request) {
  WEIR_TRY(check(request, request.limits ? *request.limits : log_->options.limits));
  WEIR_TRY(check_call(request.call, *log_->options.clock));
  const std::lock_guard lock(log_->mutex);
  return scan(*log_, request);
}

void MemoryStore::head(CallOptions call, Done<Position> done) {
  done(head(std::move(call)));
}

Result<Position> MemoryStore::head(CallOptions call) {
  WEIR_TRY(check_call(call, *log_->options.clock));
  const std::lock_guard lock(log_->mutex);
  return log_->head();
}

void MemoryStore::append(AppendRequest request, Done<Appended> done) {
  done(append(std::move(request)));
}

Result<Appended> MemoryStore::append(AppendRequest request) {
  WEIR_TRY(check(request, request.limits ? *request.limits : log_->options.limits));
  WEIR_TRY(check_call(request.call, *log_->options.clock));
  std::vector<std::function<void()>> wakes;
  Appended answer;
  {
    const std::lock_guard lock(log_->mutex);
    const auto forgotten = log_->options.clock->now() - log_->options.keys_kept;
    std::erase_if(log_->keys,
                  [&](const auto& k) { return k.second.answer.recorded_at < forgotten; });
    const auto& key = request.idempotency_key;
    if (const auto known = log_->keys.find(key); !key.empty() && known != log_->keys.end()) {
      if (known->second.events != request.events) return key_reused(key);
      answer = known->second.answer;
      answer.replayed = true;
      return answer;
    }
    WEIR_TRY(judge(*log_, request));
    answer = record(*log_, request);
    if (!key.empty()) log_->keys[key] = {.events = std::move(request.events), .answer = answer};
    wakes.swap(log_->wakes);
  }
  for (const auto& wake : wakes) wake();
  return answer;
}

Result<std::optional<Snapshot>> MemoryStore::load_snapshot(const SnapshotKey& key,
                                                           CallOptions call) {
  WEIR_TRY(check_call(call, *log_->options.clock));
  const std::lock_guard lock(log_->mutex);
  const auto kept = log_->snapshots.find(key);
  if (kept == log_->snapshots.end()) return std::optional<Snapshot>();
  return std::optional(kept->second);
}

Result<bool> MemoryStore::save_snapshot(const Snapshot& snapshot, CallOptions call) {
  const auto& limits = call.limits ? *call.limits : log_->options.limits;
  WEIR_TRY(check_key(snapshot.key.projection, limits, "projection"));
  WEIR_TRY(check_key(snapshot.key.query_hash, limits, "query_hash"));
  if (snapshot.data.size() > limits.snapshot_bytes_max) {
    return past_limit("data", snapshot.data.size(), limits.snapshot_bytes_max, "bytes");
  }
  WEIR_TRY(check_call(call, *log_->options.clock));
  const std::lock_guard lock(log_->mutex);
  const auto kept = log_->snapshots.find(snapshot.key);
  if (kept != log_->snapshots.end() && kept->second.position > snapshot.position) return false;
  auto& saved = log_->snapshots[snapshot.key];
  saved = snapshot;
  saved.saved_at = log_->options.clock->now();
  return true;
}

Result<void> MemoryStore::delete_snapshot(const SnapshotKey& key, CallOptions call) {
  WEIR_TRY(check_call(call, *log_->options.clock));
  const std::lock_guard lock(log_->mutex);
  log_->snapshots.erase(key);
  return {};
}

Result<std::optional<std::uint64_t>> MemoryStore::tracked(const std::string& source,
                                                          CallOptions call) {
  WEIR_TRY(check_call(call, *log_->options.clock));
  const std::lock_guard lock(log_->mutex);
  const auto known = log_->sources.find(source);
  if (known == log_->sources.end()) return std::optional<std::uint64_t>();
  return std::optional(known->second);
}

Result<std::unique_ptr<Subscription>> MemoryStore::open_subscription(SubscribeRequest request) {
  WEIR_TRY(check(ReadRequest{.query = request.query,
                             .batch_events_max = request.batch_events_max,
                             .batch_bytes_max = request.batch_bytes_max},
                 log_->options.limits));
  return open_memory_subscription(log_, std::move(request));
}

MemoryCatalog::MemoryCatalog(MemoryOptions options) : options_(options) {
  logs_["default"] = std::make_shared<MemoryStore>("default", LogOptions{}, options_);
}

Result<std::vector<LogInfo>> MemoryCatalog::list(CallOptions call) {
  WEIR_TRY(check_call(call, *options_.clock));
  const std::lock_guard lock(mutex_);
  std::vector<LogInfo> infos;
  for (const auto& [name, log] : logs_) {
    infos.push_back(log->info());
    WEIR_TRY_ASSIGN(head, log->head({}));
    infos.back().head = head;
  }
  return infos;
}

Result<LogInfo> MemoryCatalog::create(const std::string& name, const LogOptions& options,
                                      CallOptions call) {
  WEIR_TRY(check_call(call, *options_.clock));
  WEIR_TRY(check_log_name(name));
  const std::lock_guard lock(mutex_);
  auto& log = logs_[name];
  if (!log) log = std::make_shared<MemoryStore>(name, options, options_);
  if (log->info().options == options) return log->info();
  return Error{.code = Code::already_exists,
               .reason = Reason::log_exists,
               .message = fmt::format("log: '{}' is there with other options", name)};
}

Result<std::shared_ptr<EventStore>> MemoryCatalog::open(const std::string& name, CallOptions call) {
  WEIR_TRY(check_call(call, *options_.clock));
  const std::lock_guard lock(mutex_);
  const auto log = logs_.find(name);
  if (log != logs_.end()) return std::shared_ptr<EventStore>(log->second);
  return Error{.code = Code::not_found,
               .reason = Reason::log_not_found,
               .message = fmt::format("log: there is none named '{}'", name)};
}

}  // namespace weir::testing
