#include <weir/sql/pool/replica_core.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace weir::sql {
namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;
using Standing = ReplicaStanding;

constexpr std::size_t samples_max = 4096;

Result<void> check(const char* field, Milliseconds value, Milliseconds least, Milliseconds most) {
  if (value >= least && value <= most) return {};
  return invalid_field(
      field, fmt::format("{} ms is not {} to {} ms", value.count(), least.count(), most.count()));
}

}  // namespace

Result<void> check(const ReplicaOptions& options) {
  WEIR_TRY(check("lag_max", options.lag_max, 1ms, 1h));
  return check("measure_every", options.measure_every, 10ms,
               std::max(10ms, std::min(Milliseconds(1min), options.lag_max / 2)));
}

const char* name_of(ReplicaStanding standing) {
  switch (standing) {
    case Standing::unknown:
      return "unknown";
    case Standing::in:
      return "in";
    case Standing::primary:
      return "primary";
    case Standing::down:
      return "down";
    case Standing::detached:
      return "detached";
    case Standing::behind:
      return "behind";
  }
  return "unknown";
}

void ReplicaCore::stand(std::size_t host, Standing standing, std::string why, Instant now) {
  auto& state = hosts_[host];
  if (state.standing != standing || state.since == Instant{}) state.since = now;
  state.standing = standing;
  state.why = std::move(why);
}

/// What replicas were measured to have may be of a past that the new primary does not share.
void ReplicaCore::begin_timeline(std::uint32_t timeline, Instant now) {
  samples_.clear();
  timeline_ = timeline;
  for (std::size_t host = 0; host < hosts_.size(); ++host) {
    auto& state = hosts_[host];
    if (state.standing != Standing::in) continue;
    state.lag = std::nullopt;
    state.lag_bytes = std::nullopt;
    stand(host, Standing::unknown, "it has not been asked since the fail-over", now);
  }
}

void ReplicaCore::is_primary(std::size_t host, LogPosition at, Instant now) {
  // An old primary that came back as such does not count beside the one of a later timeline.
  if (timeline_ && at.timeline < *timeline_) {
    hosts_[host].lag = std::nullopt;
    hosts_[host].lag_bytes = std::nullopt;
    return stand(host, Standing::detached,
                 fmt::format("it takes writes on timeline {}, and the primary is on {}",
                             at.timeline, *timeline_),
                 now);
  }
  if (timeline_ != at.timeline) begin_timeline(at.timeline, now);
  if (!samples_.empty() && at.bytes < samples_.back().bytes) samples_.clear();
  samples_.push_back({at.bytes, now});
  // The first of those that are too old still says from when on a replica lacks something.
  while (samples_.size() > 1 &&
         (now - samples_[1].at > options_.lag_max || samples_.size() > samples_max)) {
    samples_.pop_front();
  }
  hosts_[host].lag = std::nullopt;
  hosts_[host].lag_bytes = std::nullopt;
  stand(host, Standing::primary, "it is the primary", now);
}

void ReplicaCore::is_replica(std::size_t host, LogPosition at, std::string_view hindrance,
                             Instant now) {
  auto& state = hosts_[host];
  state.lag = std::nullopt;
  state.lag_bytes = std::nullopt;
  if (samples_.empty()) return stand(host, Standing::unknown, "no primary has been seen", now);
  const auto newest = samples_.back().bytes;
  state.lag = std::chrono::ceil<Milliseconds>(lag_of(at.bytes, now));
  state.lag_bytes = newest - std::min(newest, at.bytes);
  if (!hindrance.empty()) return stand(host, Standing::detached, std::string(hindrance), now);
  if (at.timeline != timeline_) {
    return stand(
        host, Standing::detached,
        fmt::format("it follows timeline {}, and the primary is on {}", at.timeline, *timeline_),
        now);
  }
  if (*state.lag > options_.lag_max) {
    return stand(
        host, Standing::behind,
        fmt::format("{} ms and {} bytes behind the primary", state.lag->count(), *state.lag_bytes),
        now);
  }
  stand(host, Standing::in, "", now);
}

/// At most so much time has passed since the primary wrote what the replica lacks.
Instant::duration ReplicaCore::lag_of(std::uint64_t replayed, Instant now) const {
  const auto lacking = std::find_if(samples_.begin(), samples_.end(),
                                    [&](const Sample& sample) { return sample.bytes > replayed; });
  if (lacking == samples_.end()) return Instant::duration(0);
  // It was written after the sample before.
  return now - (lacking == samples_.begin() ? lacking : lacking - 1)->at;
}

void ReplicaCore::is_down(std::size_t host, std::string why, Instant now) {
  hosts_[host].lag = std::nullopt;
  hosts_[host].lag_bytes = std::nullopt;
  stand(host, Standing::down, std::move(why), now);
}

std::optional<std::size_t> ReplicaCore::choose(std::uint32_t timeline) {
  if (timeline != timeline_) return std::nullopt;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const auto host = (next_ + i) % hosts_.size();
    if (hosts_[host].standing != Standing::in) continue;
    next_ = host + 1;
    return host;
  }
  return std::nullopt;
}

}  // namespace weir::sql
