#include <weir/resilience/load_shedding/load_shedding.hpp>

#include <algorithm>
#include <limits>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;

Result<void> check(const LoadSheddingOptions& options) {
  return Check(options.name)
      .in_if<double>("in_flight_max", options.in_flight_max, 1, 1'000'000)
      .above("share_low", options.share_low, 0, 1)
      .above("share_normal", options.share_normal, 0, 1)
      .that(options.share_low <= options.share_normal, "share_low", "more than share_normal")
      .in_if<double>("accept_multiplier", options.accept_multiplier, 1.1, 100)
      .in("window", options.window, 1s, 1h)
      .that(options.in_flight_max || options.accept_multiplier, "in_flight_max",
            "none; neither is there accept_multiplier, so that it would never shed")
      .result();
}

bool refused(const Error& error) {
  return error.code == Code::resource_exhausted || error.code == Code::unavailable;
}

Result<std::unique_ptr<LoadShedder>> LoadShedder::create(const LoadSheddingOptions& options) {
  WEIR_TRY(check(options));
  return std::unique_ptr<LoadShedder>(new LoadShedder(options));
}

LoadShedder::LoadShedder(const LoadSheddingOptions& options) {
  apply(options);
}

void LoadShedder::apply(const LoadSheddingOptions& options) {
  const std::array<double, 3> shares = {options.share_low, options.share_normal, 1.0};
  for (std::size_t i = 0; i < shares.size(); ++i) {
    in_flight_max_[i] = options.in_flight_max
                            ? std::max(1, static_cast<int>(*options.in_flight_max * shares[i]))
                            : std::numeric_limits<int>::max();
  }
  multiplier_ = options.accept_multiplier.value_or(0);
  slot_length_ = options.window / slots_count;
}

Result<void> LoadShedder::reconfigure(const LoadSheddingOptions& options) {
  WEIR_TRY(check(options));
  const std::lock_guard lock(mutex_);
  apply(options);
  return {};
}

LoadShedder::Counts& LoadShedder::roll(Instant now) {
  const auto slot = now.time_since_epoch().count() / slot_length_.count();
  const auto passed = std::min<std::int64_t>(slot - slot_, slots_count);
  for (std::int64_t i = 0; i < passed; ++i) {
    slots_[static_cast<std::size_t>(slot - i) % slots_count] = {};
  }
  slot_ = std::max(slot_, slot);
  return slots_[static_cast<std::size_t>(slot_) % slots_count];
}

double LoadShedder::probability(Priority priority) const {
  double k = multiplier_.load(std::memory_order_relaxed);
  if (priority == Priority::high) k *= 2;
  if (priority == Priority::low) k = (1 + k) / 2;
  Counts all;
  for (const auto& slot : slots_) {
    all.requests += slot.requests;
    all.accepts += slot.accepts;
  }
  return std::max(0.0, (all.requests - k * all.accepts) / (all.requests + 1));
}

bool LoadShedder::try_enter(Priority priority, Instant now, double chance) {
  if (needs_time()) {
    const std::lock_guard lock(mutex_);
    auto& slot = roll(now);
    const bool shed = chance < probability(priority);
    slot.requests += 1;  // also those that are shed, and before they are answered
    if (shed) return false;
  }
  const auto index = static_cast<std::size_t>(priority);
  if (in_flight_.fetch_add(1, std::memory_order_relaxed) <
      in_flight_max_[index].load(std::memory_order_relaxed)) {
    return true;
  }
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void LoadShedder::leave(bool accepted, Instant now) {
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  if (!accepted || !needs_time()) return;
  const std::lock_guard lock(mutex_);
  roll(now).accepts += 1;
}

double LoadShedder::shed_share(Priority priority, Instant now) {
  const std::lock_guard lock(mutex_);
  roll(now);
  return needs_time() ? probability(priority) : 0;
}

}  // namespace weir::resilience
