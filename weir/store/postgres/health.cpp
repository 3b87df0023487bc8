#include <fmt/format.h>

#include <weir/store/postgres/database.hpp>

namespace weir::postgres {
namespace {

std::int64_t whole(std::size_t number) {
  return static_cast<std::int64_t>(number);
}

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

HealthCheck store_check(const Hosts& hosts, bool polls) {
  std::string all;
  for (const auto& host : hosts.all()) all += (all.empty() ? "" : ",") + to_string(host);
  HealthCheck check{.name = "store",
                    .data = {{"engine", "postgresql"},
                             {"hosts", all},
                             {"durability",
                              "each commit is synced to the server's disk, and to "
                              "those of replicas that the server waits for"}}};
  check.data.emplace_back("appends_of_others",
                          polls ? "asked for, since there is a pooler" : "heard by NOTIFY");
  if (const auto primary = hosts.primary()) {
    check.data.emplace_back("primary", to_string(hosts.all()[*primary]));
    check.data.emplace_back("failovers", whole(hosts.changes()));
  }
  return check;
}

HealthCheck pool_check(const sql::PoolOptions& options, const sql::PoolState& state) {
  HealthCheck check{.name = "pool",
                    .data = {{"size_min", whole(options.size_min)},
                             {"size_max", whole(options.size_max)},
                             {"limit", whole(state.limit)},
                             {"in_use", whole(state.in_use)},
                             {"idle", whole(state.idle)},
                             {"opening", whole(state.opening)},
                             {"waiting", whole(state.waiting)},
                             {"connection_lifetime_seconds", seconds(options.connection_lifetime)},
                             {"idle_lifetime_seconds", seconds(options.idle_lifetime)}}};
  if (state.waiting * 2 > options.waiting_max) {
    check.worsen(HealthStatus::degraded,
                 fmt::format("{} callers wait for a connection, and at most {} may", state.waiting,
                             options.waiting_max));
  }
  return check;
}

HealthCheck replica_check(const Replicas::State& state) {
  using sql::ReplicaStanding;
  const auto& replica = state.replica;
  HealthCheck check{.name = "replica " + state.host,
                    .data = {{"standing", std::string(name_of(replica.standing))}}};
  if (replica.lag) check.data.emplace_back("lag_seconds", seconds(*replica.lag));
  if (replica.lag_bytes) {
    check.data.emplace_back("lag_bytes", static_cast<std::int64_t>(*replica.lag_bytes));
  }
  if (state.pool) check.data.emplace_back("in_use", whole(state.pool->in_use));
  if (replica.standing != ReplicaStanding::in) {
    check.worsen(HealthStatus::degraded, replica.why.empty() ? "not heard of yet" : replica.why);
  }
  return check;
}

}  // namespace

std::vector<HealthCheck> Database::health() const {
  std::vector<HealthCheck> checks = {store_check(*hosts_, listener_.polls()),
                                     pool_check(options_.readers, readers_.state())};
  if (!replicas_) return checks;
  const auto states = replicas_->states();
  const auto primary = hosts_->primary();
  for (std::size_t host = 0; host < states.size(); ++host) {
    const auto& replica = states[host].replica;
    if (host == primary && replica.standing == sql::ReplicaStanding::down) {
      checks.front().worsen(
          HealthStatus::degraded,
          fmt::format("the primary {} does not answer: {}", states[host].host, replica.why));
    }
    const bool other = replica.standing != sql::ReplicaStanding::primary && host != primary;
    if (options_.replicas.read && other) checks.push_back(replica_check(states[host]));
  }
  return checks;
}

}  // namespace weir::postgres
