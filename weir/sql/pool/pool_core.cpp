#include <weir/sql/pool/pool_core.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/assert.hpp>

namespace weir::sql {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds overload_delay{100};

bool set(std::chrono::milliseconds duration) {
  return duration > 0ms;
}

}  // namespace

Result<CallerId> PoolCore::borrow(Instant now, std::optional<Instant> deadline,
                                  PoolActions& actions) {
  const auto lent = count(Phase::lent);
  // For so many there is, or may be opened, a connection that they may be lent.
  const auto soon = std::min(limit_ - std::min(limit_, lent),
                             options_.size_max - lent - count(Phase::validating));
  if (waiting_.size() >= options_.waiting_max + soon) {
    return overloaded(fmt::format("the pool '{}' has no free connection and {} callers wait",
                                  options_.name, waiting_.size()),
                      overload_delay);
  }
  const CallerId id = next_id_++;
  waiting_.push_back({id, deadline.value_or(now + options_.connection_timeout)});
  serve(now, actions);
  return id;
}

bool PoolCore::withdraw(CallerId caller) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Caller& c) { return c.id == caller; });
  if (found == waiting_.end()) return false;
  waiting_.erase(found);
  return true;
}

/// Lends what is idle to those who wait, the longest waiting first, and opens for the others.
void PoolCore::serve(Instant now, PoolActions& actions) {
  while (!waiting_.empty() && !idle_.empty() && may_lend()) {
    const auto id = idle_.back();
    idle_.pop_back();
    auto& connection = connections_.at(id);
    if (expired(connection, now)) {
      remove(id, actions);
      continue;
    }
    const bool validate =
        set(options_.validate_after) && now - connection.tried > options_.validate_after;
    connection.phase = Phase::lent;
    connection.since = now;
    connection.reported = false;
    actions.lend.push_back({waiting_.front().id, id, validate});
    waiting_.pop_front();
  }
  // One attempt for each who waits and may be lent one, as far as there is room.
  const auto lent = count(Phase::lent);
  const auto wanted = std::min(waiting_.size(), limit_ - std::min(limit_, lent));
  while (count(Phase::opening) < wanted && connections_.size() < options_.size_max) {
    open_one(now, actions);
  }
}

void PoolCore::open_one(Instant now, PoolActions& actions) {
  const ConnectionId id = next_id_++;
  connections_.emplace(id, Connection{.since = now});
  actions.open.push_back(id);
}

void PoolCore::opened(ConnectionId id, Instant now, double chance, PoolActions& actions) {
  auto& connection = connections_.at(id);
  WEIR_ASSERT(connection.phase == Phase::opening);
  if (set(options_.connection_lifetime)) {
    const auto life = std::chrono::duration<double>(options_.connection_lifetime) *
                      (1 - options_.lifetime_jitter * chance);
    connection.expires = now + std::chrono::duration_cast<Instant::duration>(life);
  }
  make_idle(id, now, actions);
}

void PoolCore::open_failed(ConnectionId id, PoolActions& actions) {
  WEIR_ASSERT(connections_.at(id).phase == Phase::opening);
  connections_.erase(id);
  // Some of those for whom attempts were made may have been served by what came back meanwhile.
  if (waiting_.size() <= count(Phase::opening)) return;
  actions.failed.push_back(waiting_.front().id);
  waiting_.pop_front();
}

void PoolCore::given_back(ConnectionId id, Instant now, Returned state, PoolActions& actions) {
  auto& connection = connections_.at(id);
  WEIR_ASSERT(connection.phase == Phase::lent);
  switch (state) {
    case Returned::usable:
      return make_idle(id, now, actions);
    case Returned::unusable:
    case Returned::server_left:
      discard(id, now, state, actions);
      return;
    case Returned::to_reset:
      break;
  }
  if (connection.old || expired(connection, now)) return make_idle(id, now, actions);
  connection.phase = Phase::validating;
  connection.since = now;
  actions.reset.push_back(id);
  serve(now, actions);
}

void PoolCore::discard(ConnectionId id, Instant now, Returned why, PoolActions& actions) {
  // What was opened after others had told that the server left leads to the right one.
  const bool news = !connections_.at(id).old;
  remove(id, actions);
  if (why == Returned::server_left && news) renew(actions);
  serve(now, actions);
}

void PoolCore::limit(std::size_t in_use_max, Instant now, PoolActions& actions) {
  WEIR_ASSERT(in_use_max >= 1);
  limit_ = std::min(in_use_max, options_.size_max);
  serve(now, actions);
}

void PoolCore::validated(ConnectionId id, Instant now, Returned state, PoolActions& actions) {
  WEIR_ASSERT(connections_.at(id).phase == Phase::validating);
  if (state != Returned::usable) return discard(id, now, state, actions);
  // Being tried is no use: the time it has been idle goes on.
  auto& connection = connections_.at(id);
  const auto since = connection.since;
  make_idle(id, now, actions);
  if (const auto found = connections_.find(id);
      found != connections_.end() && found->second.phase == Phase::idle) {
    found->second.since = since;
  }
}

void PoolCore::make_idle(ConnectionId id, Instant now, PoolActions& actions) {
  auto& connection = connections_.at(id);
  if (connection.old || expired(connection, now)) {
    remove(id, actions);
  } else {
    connection.phase = Phase::idle;
    connection.since = connection.tried = now;
    idle_.push_back(id);
  }
  serve(now, actions);
}

void PoolCore::remove(ConnectionId id, PoolActions& actions) {
  connections_.erase(id);
  actions.close.push_back(id);
}

bool PoolCore::expired(const Connection& connection, Instant now) const {
  return connection.expires && *connection.expires <= now;
}

void PoolCore::renew(PoolActions& actions) {
  for (const auto id : idle_) remove(id, actions);
  idle_.clear();
  for (auto& [id, connection] : connections_) {
    if (connection.phase != Phase::opening) connection.old = true;
  }
}

void PoolCore::tick(Instant now, PoolActions& actions) {
  const auto late = std::stable_partition(waiting_.begin(), waiting_.end(),
                                          [&](const Caller& c) { return c.deadline > now; });
  for (auto it = late; it != waiting_.end(); ++it) actions.timed_out.push_back(it->id);
  waiting_.erase(late, waiting_.end());
  look_at_idle(now, actions);
  look_at_lent(now, actions);
  serve(now, actions);
  while (connections_.size() < options_.size_min) open_one(now, actions);
}

void PoolCore::look_at_idle(Instant now, PoolActions& actions) {
  auto spare = connections_.size() - std::min(connections_.size(), options_.size_min);
  std::erase_if(idle_, [&](ConnectionId id) {
    auto& connection = connections_.at(id);
    const bool unused = spare > 0 && set(options_.idle_lifetime) &&
                        now - connection.since >= options_.idle_lifetime;
    if (unused || expired(connection, now)) {
      if (spare > 0) --spare;
      remove(id, actions);
      return true;
    }
    if (!set(options_.keepalive) || now - connection.tried < options_.keepalive) return false;
    connection.phase = Phase::validating;
    actions.validate.push_back(id);
    return true;
  });
}

void PoolCore::look_at_lent(Instant now, PoolActions& actions) {
  if (!set(options_.leak_detection_threshold)) return;
  for (auto& [id, connection] : connections_) {
    if (connection.phase != Phase::lent || connection.reported) continue;
    if (now - connection.since < options_.leak_detection_threshold) continue;
    connection.reported = true;
    actions.leaked.push_back(id);
  }
}

std::size_t PoolCore::count(Phase phase) const {
  return static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(),
                    [phase](const auto& entry) { return entry.second.phase == phase; }));
}

PoolState PoolCore::state() const {
  return {.in_use = count(Phase::lent),
          .idle = idle_.size() + count(Phase::validating),
          .opening = count(Phase::opening),
          .waiting = waiting_.size(),
          .limit = limit_};
}

}  // namespace weir::sql
