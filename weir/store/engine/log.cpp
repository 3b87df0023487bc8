#include <weir/store/engine/log.hpp>

#include <algorithm>

namespace weir::engine {
namespace {

Error reads_overloaded() {
  return overloaded("too many reads wait", overload_delay);
}

/// Keys that are there stay; what would be more than an event may have is left out.
void stamp(Event& event, const std::vector<MetadataEntry>& stamps, const Limits& limits) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : event.metadata) bytes += key.size() + value.size();
  for (const auto& entry : stamps) {
    const bool has = std::any_of(event.metadata.begin(), event.metadata.end(),
                                 [&](const auto& other) { return other.key == entry.key; });
    const auto more = entry.key.size() + entry.value.size();
    const bool fits = event.metadata.size() < limits.metadata_entries_max &&
                      bytes + more <= limits.metadata_bytes_max;
    if (has || !fits) continue;
    event.metadata.push_back(entry);
    bytes += more;
  }
}

}  // namespace

Log::Log(std::unique_ptr<Backend> backend, std::shared_ptr<Tail> tail, TermHasher hasher,
         std::shared_ptr<Threads> threads, const Clock& clock, LogEngineOptions options)
    : backend_(options.around ? options.around(std::move(backend)) : std::move(backend)),
      info_(backend_->info()),
      tail_(std::move(tail)),
      hasher_(std::move(hasher)),
      threads_(std::move(threads)),
      clock_(clock),
      options_(options),
      live_(*backend_, options.live),
      committer_(*backend_, *tail_, hasher_, clock, threads_->completions, options.committer,
                 [this](Position head) { live_.advanced(head); }) {
  info_.limits = options_.limits;
}

Log::~Log() {
  shut_down();
}

void Log::shut_down() {
  committer_.shut_down();
  live_.shut_down();
}

const LogInfo& Log::info() const {
  return info_;
}

template <class F>
auto Log::traced(std::string_view operation, const CallOptions& call, F&& f) -> decltype(f(call)) {
  WEIR_TRY(Committer::still_wanted(call, clock_.instant()));
  auto* observer = options_.committer.observer;
  if (observer == nullptr || !call.context.span.sampled) return f(call);
  auto span = observer->begin(operation, info().name, {&call.context, 1}, clock_.instant());
  auto within = call;
  within.context = span.context();
  const telemetry::Scope scope(span.context());
  auto result = f(within);
  if (!result) {
    span.set_attribute("error.type", name_of(result.error().code));
    span.set_status(telemetry::StatusCode::error, result.error().message);
  }
  return result;
}

Result<std::unique_ptr<PendingAppend>> Log::prepare(AppendRequest request) const {
  WEIR_TRY(check(request, limits_of(request)));
  auto pending = std::make_unique<PendingAppend>();
  if (!request.idempotency_key.empty()) pending->fingerprint = fingerprint_of(request.events);
  const auto now = clock_.now();
  std::vector<std::string_view> tags;
  for (auto& event : request.events) {
    if (!request.stamp.empty()) stamp(event, request.stamp, limits_of(request));
    if (!event.id && request.make_ids) event.id = make_uuid_v7(now);
    if (event.content_type == default_content_type) event.content_type.clear();
    pending->bytes += size_of(event);
    tags.assign(event.tags.begin(), event.tags.end());
    const auto old_size = pending->terms.size();
    add_terms(hasher_, event.type, tags,
              is_json(event.content_type) ? std::string_view(event.data) : std::string_view(),
              pending->terms);
    pending->term_counts.push_back(static_cast<std::uint32_t>(pending->terms.size() - old_size));
  }
  if (request.condition) {
    pending->condition = compile(request.condition->fail_if_events_match, hasher_);
  }
  pending->request = std::move(request);
  return pending;
}

bool Log::needs_look(const PendingAppend& pending) const {
  return pending.request.condition &&
         pending.request.condition->after.value_or(Position()) < tail_->begin();
}

/// Judges a condition that reaches back past the tail by reading, before the append joins a group,
/// so that the one writer never waits for it. What is appended from here on is in the tail.
Result<void> Log::look(PendingAppend& pending) {
  auto looked = traced("look", pending.request.call,
                       [&](const CallOptions& within) { return look_back(pending, within); });
  // An idempotency key may answer whatever was found: the writer has the last word.
  if (!pending.request.idempotency_key.empty()) return {};
  return looked;
}

Result<void> Log::look_back(PendingAppend& pending, const CallOptions& call) {
  ReadRequest request{.query = pending.request.condition->fail_if_events_match,
                      .after = pending.request.condition->after.value_or(Position()),
                      .limit = 1,
                      .batch_events_max = 1,
                      .call = call};
  pending.judged_after_rewinds = tail_->rewinds();
  while (true) {
    WEIR_TRY_ASSIGN(step, backend_->read_step(request));
    if (!step.batch.empty()) {
      pending.judged = step.batch.first().previous();
      return condition_failed(step.batch.first().value);
    }
    request.after = std::max(request.after, step.cursor);
    if (!request.until) request.until = step.head;
    pending.judged = std::min(request.after, *request.until);
    if (step.end) return {};
  }
}

const Error& Log::refused(const Error& error) const {
  if (auto* observer = options_.committer.observer) observer->refused(info().name, error.code);
  return error;
}

Result<Appended> Log::append(AppendRequest request) {
  auto pending = prepare(std::move(request));
  if (!pending) return refused(pending.error());
  if (needs_look(**pending)) {
    if (const auto looked = look(**pending); !looked) return refused(looked.error());
  }
  return committer_.append(std::move(pending).value());
}

void Log::append(AppendRequest request, Done<Appended> done) {
  auto prepared = prepare(std::move(request));
  if (!prepared) return done(refused(prepared.error()));
  auto pending = std::move(prepared).value();
  pending->done = std::move(done);
  if (!needs_look(*pending)) return committer_.append_later(std::move(pending));

  // The callback moves with the append; when the queue is full it must still be called.
  auto shared = std::make_shared<std::unique_ptr<PendingAppend>>(std::move(pending));
  const bool taken = threads_->readers.post([this, self = shared_from_this(), shared] {
    auto looking = std::move(*shared);
    if (const auto looked = look(*looking); !looked) {
      return looking->done(refused(looked.error()));
    }
    committer_.append_later(std::move(looking));
  });
  if (!taken) (*shared)->done(refused(reads_overloaded()));
}

Result<ReadStep> Log::checked_step(const ReadRequest& request) {
  WEIR_TRY(check(request, limits_of(request)));
  WEIR_TRY(Committer::still_wanted(request.call, clock_.instant()));
  return backend_->read_step(request);
}

Result<ReadStep> Log::read_step(ReadRequest request) {
  auto* observer = options_.committer.observer;
  if (observer == nullptr) return checked_step(request);
  const auto began = clock_.instant();
  telemetry::Span span;
  auto& context = request.call.context;
  const bool traced = context.span.sampled;
  if (traced) {
    span = observer->begin("read", info().name, {&context, 1}, began);
    context = span.context();
  }
  const telemetry::Scope scope(context);
  auto step = checked_step(request);
  tell_read(request, step, began, traced ? &span : nullptr);
  return step;
}

std::optional<Result<ReadStep>> Log::read_at_once(const ReadRequest& request) {
  const auto began = clock_.instant();
  if (!check(request, limits_of(request)) || !Committer::still_wanted(request.call, began)) {
    return std::nullopt;
  }
  auto read = backend_->read_at_once(request);
  if (!read) return std::nullopt;
  Result<ReadStep> step(std::move(*read));
  telemetry::Span span;
  const bool traced = options_.committer.observer != nullptr && request.call.context.span.sampled;
  if (traced) {
    span =
        options_.committer.observer->begin("read", info().name, {&request.call.context, 1}, began);
  }
  tell_read(request, step, began, traced ? &span : nullptr);
  return step;
}

void Log::tell_read(const ReadRequest& request, const Result<ReadStep>& step, Instant began,
                    telemetry::Span* span) {
  auto* observer = options_.committer.observer;
  if (observer == nullptr) return;
  observer->read({.log = info().name,
                  .began = began,
                  .took = clock_.instant() - began,
                  .events = step ? step->batch.size() : 0,
                  .error = step ? std::nullopt : std::optional(step.error().code),
                  .context = request.call.context,
                  .span = span});
}

std::optional<LogGauges> Log::gauges() const {
  const auto head = tail_->head();
  LogGauges gauges{.queue_depth = committer_.queue_depth(),
                   .queue_max = options_.committer.queue_max,
                   .head = head.value,
                   .tail_events = head.value - std::min(tail_->begin(), head).value,
                   .subscribers = live_.subscribers()};
  if (const auto slowest = live_.slowest()) {
    gauges.subscription_lag = head.value - std::min(*slowest, head).value;
  }
  return gauges;
}

void Log::read_step(ReadRequest request, Done<ReadStep> done) {
  if (options_.committer.callbacks_never_block && request.may_answer_here) {
    if (auto step = read_at_once(request)) return done(std::move(*step));
  }
  auto shared = std::make_shared<Done<ReadStep>>(std::move(done));
  const bool taken = threads_->readers.post(
      [this, self = shared_from_this(), shared, request = std::move(request)]() mutable {
        (*shared)(read_step(std::move(request)));
      });
  if (!taken) (*shared)(reads_overloaded());
}

Result<Position> Log::head(CallOptions call) {
  return traced("head", call, [&](const CallOptions& within) { return backend_->head(within); });
}

void Log::head(CallOptions call, Done<Position> done) {
  auto shared = std::make_shared<Done<Position>>(std::move(done));
  const bool taken = threads_->readers.post(
      [this, self = shared_from_this(), shared, call = std::move(call)] { (*shared)(head(call)); });
  if (!taken) (*shared)(reads_overloaded());
}

Result<std::unique_ptr<Subscription>> Log::open_subscription(SubscribeRequest request) {
  WEIR_TRY(check(ReadRequest{.query = request.query,
                             .batch_events_max = request.batch_events_max,
                             .batch_bytes_max = request.batch_bytes_max},
                 limits_of(request)));
  return live_.subscribe(std::move(request), shared_from_this());
}

Result<void> Log::check_snapshot_key(const SnapshotKey& key, const Limits& limits) {
  WEIR_TRY(check_key(key.projection, limits, "projection"));
  return check_key(key.query_hash, limits, "query_hash");
}

Result<std::optional<Snapshot>> Log::load_snapshot(const SnapshotKey& key, CallOptions call) {
  WEIR_TRY(check_snapshot_key(key, limits_of(call)));
  return traced("load snapshot", call,
                [&](const CallOptions& within) { return backend_->load_snapshot(key, within); });
}

Result<bool> Log::save_snapshot(const Snapshot& snapshot, CallOptions call) {
  const auto& limits = limits_of(call);
  WEIR_TRY(check_snapshot_key(snapshot.key, limits));
  if (snapshot.data.size() > limits.snapshot_bytes_max) {
    return past_limit("data", snapshot.data.size(), limits.snapshot_bytes_max, "bytes");
  }
  if (snapshot.position > position_max) {
    return past_limit("position", snapshot.position.value, position_max.value, "");
  }
  auto stamped = snapshot;
  stamped.saved_at = clock_.now();
  return traced("save snapshot", call, [&](const CallOptions& within) {
    return backend_->save_snapshot(stamped, within);
  });
}

Result<void> Log::delete_snapshot(const SnapshotKey& key, CallOptions call) {
  WEIR_TRY(check_snapshot_key(key, limits_of(call)));
  return traced("delete snapshot", call,
                [&](const CallOptions& within) { return backend_->delete_snapshot(key, within); });
}

Result<std::optional<std::uint64_t>> Log::tracked(const std::string& source, CallOptions call) {
  WEIR_TRY(check_key(source, limits_of(call), "source"));
  return traced("tracked", call,
                [&](const CallOptions& within) { return backend_->tracked(source, within); });
}

}  // namespace weir::engine
