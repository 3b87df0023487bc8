#include <algorithm>
#include <optional>
#include <utility>

#include <weir/store/engine/committer.hpp>
#include <weir/store/engine/live.hpp>

namespace weir::engine {
namespace {

/// Whether what could not be read now may be read later, with the subscriber still there.
bool worth_waiting(const Error& error, const CallOptions& call) {
  if (call.deadline && *call.deadline <= system_clock().instant()) return false;
  return error.code == Code::unavailable || error.code == Code::resource_exhausted ||
         error.code == Code::deadline_exceeded;
}

}  // namespace

/// (cursor, end of what is known] again and again: from the ring when the cursor is in it, else
/// from the store.
class Live::LiveSubscription final : public Subscription {
 public:
  LiveSubscription(Live& live, SubscribeRequest request, std::shared_ptr<void> keep_alive)
      : keep_alive_(std::move(keep_alive)),
        live_(live),
        request_(std::move(request)),
        cursor_(request_.after.value_or(Position())),
        reached_(cursor_.value),
        id_(live.enter(reached_)),
        on_stop_(request_.call.stop, [this] { live_.wake_one(id_); }) {}

  ~LiveSubscription() override { live_.leave(id_); }

  Position cursor() const override { return cursor_; }
  std::optional<Instant> deadline() const override { return request_.call.deadline; }

  Result<std::optional<SubscriptionStep>> poll(std::function<void()> wake) override {
    while (true) {
      WEIR_TRY(Committer::still_wanted(request_.call, system_clock().instant()));
      const auto recent = live_.recent(cursor_);
      if (!told_ && rewinds_ != recent.rewinds) {
        rewinds_ = recent.rewinds;
        horizon_ = Position();  // of the log as it was
      }
      if (recent.rewinds != rewinds_) return log_rewound(recent.rewound_to.value);
      if (!recent.in_ring || !told_) {
        auto read = read_from_store();
        // What it has not been told yet can't have been wrong.
        if (!read && !told_ && read.error().reason == Reason::log_rewound) continue;
        if (read && !*read) {
          if (live_.wait_past(cursor_, id_, wake)) break;
          continue;
        }
        if (read || !worth_waiting(read.error(), request_.call)) return read;
        if (live_.park(id_, wake)) break;
        return read;
      }
      if (recent.end > cursor_) return take(recent);
      if (live_.wait_past(cursor_, id_, wake)) break;
      if (live_.stopped()) return shutting_down();
    }
    // Fired between the check and the registration: nobody would wake us.
    if (request_.call.stop.stop_requested()) return cancelled();
    return std::optional<SubscriptionStep>();
  }

 private:
  /// Nothing: it has been told already that there is no more.
  Result<std::optional<SubscriptionStep>> read_from_store() {
    if (live_.stopped()) return shutting_down();
    if (cursor_ >= horizon_) {
      WEIR_TRY_ASSIGN(horizon, live_.look(request_.call));
      horizon_ = horizon;
    }
    if (cursor_ >= horizon_) {
      if (std::exchange(told_, true)) return std::optional<SubscriptionStep>();
      return std::optional(
          SubscriptionStep{.batch = {}, .head = horizon_, .cursor = cursor_, .caught_up = true});
    }
    WEIR_TRY_ASSIGN(step, live_.read({.query = request_.query,
                                      .after = cursor_,
                                      .until = horizon_,
                                      .batch_events_max = request_.batch_events_max,
                                      .batch_bytes_max = request_.batch_bytes_max,
                                      .call = request_.call}));
    told_ = true;
    cursor_ = std::max(cursor_, step.cursor);
    reached_.store(cursor_.value, std::memory_order_relaxed);
    return std::optional(SubscriptionStep{.batch = std::move(step.batch),
                                          .head = step.head,
                                          .cursor = cursor_,
                                          .caught_up = cursor_ >= step.head});
  }

  Result<std::optional<SubscriptionStep>> take(const Recent& recent) {
    BatchBuilder builder;
    Position cursor = cursor_;
    bool full = false;
    for (const auto& chunk : recent.chunks) {
      if (chunk->last() <= cursor_) continue;
      for (const auto& event : *chunk) {
        if (event.position() <= cursor_) continue;
        full = builder.size() >= request_.batch_events_max ||
               builder.bytes() >= request_.batch_bytes_max;
        if (full) break;
        cursor = event.position();
        const auto json = is_json(event.content_type()) ? event.data() : std::string_view();
        if (matches(request_.query, {event.type(), event.tags(), json})) {
          builder.add(event.position(), event.wire());
        }
      }
      if (full) break;
    }
    cursor_ = full ? cursor : recent.end;
    reached_.store(cursor_.value, std::memory_order_relaxed);
    return std::optional(SubscriptionStep{.batch = std::move(builder).build(),
                                          .head = recent.head,
                                          .cursor = cursor_,
                                          .caught_up = !full});
  }

  std::shared_ptr<void> keep_alive_;
  Live& live_;
  SubscribeRequest request_;
  Position cursor_;
  /// It reads the store up to an event whose mark is known: should the log be put back to before
  /// that, this is noticed.
  Position horizon_;
  bool told_ = false;          ///< that there was something, or nothing, to begin with
  std::uint64_t rewinds_ = 0;  ///< of the log, when it was told the first
  Cursor reached_;             ///< the same, for others to look at
  std::uint64_t id_;
  std::stop_callback<std::function<void()>> on_stop_;
};

Result<std::unique_ptr<Subscription>> Live::subscribe(SubscribeRequest request,
                                                      std::shared_ptr<void> keep_alive) {
  return std::unique_ptr<Subscription>(
      std::make_unique<LiveSubscription>(*this, std::move(request), std::move(keep_alive)));
}

}  // namespace weir::engine
