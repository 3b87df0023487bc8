#include <weir/sql/postgres/replicas.hpp>

#include <pthread.h>

#include <algorithm>
#include <utility>

#include <weir/telemetry/api/metric_list.hpp>

namespace weir::postgres {
namespace {

/// How long a host may take to answer before it counts as down.
constexpr std::chrono::seconds answer_time_max{1};

/// What a host is, where it is in its log (bytes), on which timeline, whether it receives, and
/// whether that may be known. Others than those who may read statistics see the receiver's process
/// and nothing else.
constexpr std::string_view where_it_is =
    "SELECT pg_is_in_recovery(),"
    " ((CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
    " ELSE pg_current_wal_lsn() END) - '0/0'::pg_lsn)::int8,"
    " CASE WHEN pg_is_in_recovery() THEN w.received_tli ELSE"
    " ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int4 END,"
    " coalesce(w.status = 'streaming', false), w.pid IS NOT NULL AND w.status IS NULL"
    " FROM (VALUES (1)) AS one (n) LEFT JOIN pg_stat_wal_receiver w ON true";

constexpr std::string_view receives_nothing = "it receives nothing from the primary";
constexpr std::string_view not_allowed =
    "what it follows can't be seen: GRANT pg_read_all_stats to the role that connects";

}  // namespace

Replicas::Replicas(ReplicasOptions options, std::shared_ptr<Hosts> hosts, const Clock& clock)
    : options_(std::move(options)),
      hosts_(std::move(hosts)),
      clock_(clock),
      core_(options_.limits, hosts_->all().size()),
      pools_(hosts_->all().size()) {
  observe();
  for (std::size_t host = 0; host < pools_.size(); ++host) {
    threads_.emplace_back([this, host](const std::stop_token& stop) { watch(host, stop); });
  }
}

Replicas::~Replicas() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Replicas::observe() {
  namespace metric = telemetry::metric;
  auto& meter = *options_.pool.connect.reporting.telemetry.meter;
  observed_.push_back(meter.observe(metric::store_replica_lag, [this](telemetry::Observer& to) {
    for (const auto& [host, replica, pool] : states()) {
      if (!replica.lag) continue;
      to.observe(std::chrono::duration<double>(*replica.lag).count(), {host});
    }
  }));
  observed_.push_back(meter.observe(metric::store_replica_in, [this](telemetry::Observer& to) {
    for (const auto& [host, replica, pool] : states()) {
      if (replica.standing == sql::ReplicaStanding::primary) continue;
      to.observe(replica.standing == sql::ReplicaStanding::in ? 1 : 0, {host});
    }
  }));
}

/// What is heard of one host may change how others stand.
template <class Change>
void Replicas::change(Change change) {
  std::vector<sql::ReplicaStanding> before;
  std::vector<std::pair<std::string, sql::ReplicaState>> changed;
  std::unique_lock lock(mutex_);
  for (std::size_t host = 0; host < pools_.size(); ++host) {
    before.push_back(core_.state(host).standing);
  }
  change();
  for (std::size_t host = 0; host < pools_.size(); ++host) {
    const auto& state = core_.state(host);
    if (state.standing != before[host]) changed.emplace_back(to_string(hosts_->all()[host]), state);
  }
  lock.unlock();
  if (!options_.listener) return;
  for (const auto& [host, state] : changed) options_.listener(host, state);
}

void Replicas::watch(std::size_t host, const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-replica");
  std::unique_ptr<Session> session;
  bool first = true;
  while (!stop.stop_requested()) {
    if (const auto asked = ask(host, session, stop); !asked && !stop.stop_requested()) {
      session.reset();
      change([&] { core_.is_down(host, asked.error().message, clock_.instant()); });
    }
    std::unique_lock lock(mutex_);
    if (std::exchange(first, false)) {
      ++asked_;
      changed_.notify_all();
    }
    changed_.wait_for(lock, stop, options_.limits.measure_every, [] { return false; });
  }
}

Result<void> Replicas::ask(std::size_t host, std::unique_ptr<Session>& session,
                           const std::stop_token& stop) {
  const Patience patience{.deadline = clock_.instant() + answer_time_max, .stop = stop};
  if (!session) {
    auto connect = options_.pool.connect;
    connect.hosts = Hosts::of(hosts_->all()[host]);
    connect.role = Role::any;
    WEIR_TRY_ASSIGN(connected, Session::connect(connect, clock_, patience));
    session = std::move(connected);
  }
  WEIR_TRY_ASSIGN(rows, session->execute(where_it_is, {}, patience));
  const bool replica = rows.boolean(0, 0);
  std::string_view hindrance;
  if (!rows.boolean(0, 3)) hindrance = rows.boolean(0, 4) ? not_allowed : receives_nothing;
  const sql::LogPosition at{
      .bytes = rows.is_null(0, 1) ? 0 : static_cast<std::uint64_t>(rows.int8(0, 1)),
      .timeline = rows.is_null(0, 2) ? 0 : static_cast<std::uint32_t>(rows.int4(0, 2))};
  if (!replica) hosts_->saw_primary(host, at.timeline);
  // Before anybody is told that it is in.
  if (options_.limits.read && replica && hindrance.empty()) provide_pool(host);
  change([&] {
    const auto now = clock_.instant();
    if (!replica) return core_.is_primary(host, at, now);
    core_.is_replica(host, at, hindrance, now);
  });
  // One of the past; by now the name may lead to another.
  if (!replica && at.timeline < hosts_->timeline()) session.reset();
  return {};
}

void Replicas::provide_pool(std::size_t host) {
  if (pools_[host]) return;  // only this host's thread makes one
  auto options = options_.pool;
  options.limits.name = "replica " + to_string(hosts_->all()[host]);
  options.connect.hosts = Hosts::of(hosts_->all()[host]);
  options.connect.role = Role::replica;
  // Not under the lock: whoever collects metrics holds another while it asks for states().
  auto pool = std::make_unique<Pool>(std::move(options), clock_);
  const std::lock_guard lock(mutex_);
  pools_[host] = std::move(pool);
}

void Replicas::wait_until_asked(Instant until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] { return asked_ == pools_.size(); });
}

Pool* Replicas::choose() {
  if (!options_.limits.read) return nullptr;
  const auto timeline = hosts_->timeline();
  const std::lock_guard lock(mutex_);
  const auto host = core_.choose(timeline);
  return host ? pools_[*host].get() : nullptr;
}

void Replicas::failed(const Pool* pool, const Error& error) {
  if (pool == nullptr) return;
  const auto found = [&] {
    const std::lock_guard lock(mutex_);
    return std::find_if(pools_.begin(), pools_.end(),
                        [&](const auto& other) { return other.get() == pool; });
  }();
  if (found == pools_.end()) return;
  const auto host = static_cast<std::size_t>(found - pools_.begin());
  change([&] { core_.is_down(host, error.message, clock_.instant()); });
}

std::vector<Replicas::State> Replicas::states() const {
  std::vector<State> states;
  std::vector<const Pool*> pools;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t host = 0; host < pools_.size(); ++host) {
      states.push_back({to_string(hosts_->all()[host]), core_.state(host)});
      pools.push_back(pools_[host].get());
    }
  }
  for (std::size_t host = 0; host < states.size(); ++host) {
    if (pools[host] != nullptr) states[host].pool = pools[host]->state();
  }
  return states;
}

}  // namespace weir::postgres
