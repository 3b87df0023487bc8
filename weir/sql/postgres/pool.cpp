#include <weir/sql/postgres/pool.hpp>

#include <pthread.h>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/assert.hpp>
#include <weir/base/batching.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::postgres {
namespace {

using Kind = PoolEvent::Kind;

constexpr std::chrono::milliseconds retry_delay{100};
/// How long a connection may take to answer when it is tried.
constexpr std::chrono::seconds validation_time_max{5};
/// The maintenance thread looks for what is due at most, and at least, this often.
constexpr std::chrono::milliseconds maintain_every{500};

bool alive(Session& session, const Patience& patience) {
  const Call call{.text = "SELECT 1", .prepare = false};
  return session.run({&call, 1}, patience).ok();
}

ConnectOptions connection_of(const PoolOptions& options) {
  auto connect = options.connect;
  connect.command_timeout = options.limits.command_timeout;
  connect.prepare = {.prepared_max = options.limits.auto_prepare_max,
                     .prepare_after = options.limits.auto_prepare_after};
  return connect;
}

std::unique_ptr<resilience::AdaptiveLimit> limit_of(const sql::PoolOptions& limits) {
  if (!limits.automatic_size) return nullptr;
  const auto most = static_cast<int>(limits.size_max);
  const auto least = std::max(static_cast<int>(limits.size_min), 1);
  return resilience::AdaptiveLimit::create({.name = limits.name,
                                            .initial = std::max(least, most / 2),
                                            .limit_min = least,
                                            .limit_max = most})
      .value();
}

}  // namespace

Pool::Pool(PoolOptions options, const Clock& clock)
    : options_(std::move(options)),
      connect_(connection_of(options_)),
      clock_(clock),
      reports_(options_.connect.reporting.telemetry, options_.limits.name),
      core_(options_.limits),
      limit_(limit_of(options_.limits)),
      chance_(static_cast<std::minstd_rand::result_type>(clock.now().time_since_epoch().count())) {
  if (limit_) {
    sql::PoolActions none;  // nobody waits yet
    core_.limit(static_cast<std::size_t>(limit_->limit()), clock_.instant(), none);
  }
  observe();
  opener_ = std::jthread([this](const std::stop_token& stop) { keep_opening(stop); });
  thread_ = std::jthread([this](const std::stop_token& stop) { maintain(stop); });
}

Pool::~Pool() {
  opener_.request_stop();
  thread_.request_stop();
  opener_.join();
  thread_.join();
}

void Pool::observe() {
  namespace metric = telemetry::metric;
  auto& meter = *options_.connect.reporting.telemetry.meter;
  const auto add = [&](const telemetry::MetricSpec& spec, auto report) {
    observed_.push_back(meter.observe(spec, [this, report](telemetry::Observer& to) {
      report(to, std::string_view(name()), state());
    }));
  };
  using To = telemetry::Observer;
  add(metric::db_client_connection_count, [](To& to, auto pool, const sql::PoolState& state) {
    to.observe(static_cast<double>(state.idle), {pool, "idle"});
    to.observe(static_cast<double>(state.in_use), {pool, "used"});
  });
  const double idle_max = static_cast<double>(options_.limits.size_max);
  const double idle_min = static_cast<double>(options_.limits.size_min);
  add(metric::db_client_connection_idle_max,
      [idle_max](To& to, auto pool, const sql::PoolState&) { to.observe(idle_max, {pool}); });
  add(metric::db_client_connection_idle_min,
      [idle_min](To& to, auto pool, const sql::PoolState&) { to.observe(idle_min, {pool}); });
  add(metric::db_client_connection_max, [](To& to, auto pool, const sql::PoolState& state) {
    to.observe(static_cast<double>(state.limit), {pool});
  });
  add(metric::db_client_connection_pending_requests,
      [](To& to, auto pool, const sql::PoolState& state) {
        to.observe(static_cast<double>(state.waiting), {pool});
      });
}

Pool::Lease::~Lease() {
  if (session_) pool_->give_back(id_, std::move(session_), pool_->clock_.instant() - since_);
}

void Pool::tell(PoolEvent event) const {
  event.pool = name();
  reports_.take(event);
  if (options_.listener) options_.listener(event);
}

Result<Pool::Lease> Pool::checkout(const Patience& patience) {
  Batching::flush();  // nobody who has an answer waits for the database
  const auto began = clock_.instant();
  while (true) {
    bool dead = false;
    auto lease = checkout_once(patience, began, dead);
    // One that was found dead is replaced; the next may be as dead, but there are only so many.
    if (!dead) return lease;
  }
}

Result<Pool::Lease> Pool::checkout_once(const Patience& patience, Instant began, bool& dead) {
  Waiter waiter;
  const auto until = patience.deadline.value_or(began + options_.limits.connection_timeout);
  std::unique_lock lock(mutex_);
  sql::PoolActions actions;
  WEIR_TRY_ASSIGN(caller, core_.borrow(clock_.instant(), until, actions));
  waiters_.emplace(caller, &waiter);
  auto work = take(actions);
  lock.unlock();
  finish(std::move(work));
  lock.lock();
  const auto settled = [&] { return waiter.outcome.index() != 0; };
  waiter.changed.wait_until(lock, patience.stop, until, settled);
  waiters_.erase(caller);
  if (!settled()) {
    core_.withdraw(caller);
    lock.unlock();
    tell({.kind = Kind::timed_out, .took = clock_.instant() - began});
    return gave_up(patience);
  }
  if (const auto* error = std::get_if<Error>(&waiter.outcome)) return *error;
  const auto lend = std::get<sql::PoolActions::Lend>(waiter.outcome);
  auto [session, used] = std::move(kept_.extract(lend.connection).mapped());
  lock.unlock();

  dead = session->lost() ||
         (lend.validate && !alive(*session, {.deadline = clock_.instant() + validation_time_max,
                                             .stop = patience.stop}));
  if (dead) {
    dead = !patience.stop.stop_requested();
    give_back(lend.connection, std::move(session), std::nullopt);
    return cancelled();
  }
  const auto now = clock_.instant();
  tell({.kind = Kind::borrowed, .took = now - began});
  return Lease(*this, lend.connection, std::move(session), used, now);
}

Error Pool::gave_up(const Patience& patience) const {
  if (patience.stop.stop_requested()) return cancelled();
  const auto message = fmt::format("no connection of the pool '{}' became free; all {} are in use",
                                   options_.limits.name, state().limit);
  if (!patience.deadline) return overloaded(message, retry_delay);
  auto error = deadline_passed();
  error.message = message;
  return error;
}

/// With the lock held: tells who waits, and says what is left to do without it.
Pool::Work Pool::take(const sql::PoolActions& actions, const Error* why) {
  const auto settle = [this](sql::CallerId caller, auto outcome) {
    const auto found = waiters_.find(caller);
    WEIR_ASSERT(found != waiters_.end());
    found->second->outcome = std::move(outcome);
    found->second->changed.notify_one();
  };
  for (const auto& lend : actions.lend) {
    settle(lend.caller, lend);
    if (limit_) WEIR_ASSERT(limit_->try_enter());  // the core lends no more than the limit
  }
  for (const auto caller : actions.failed) {
    WEIR_ASSERT(why != nullptr);
    settle(caller, *why);
  }
  Work work{.leaked = actions.leaked.size()};
  for (const auto id : actions.close) {
    if (auto node = kept_.extract(id)) work.closed.push_back(std::move(node.mapped().session));
  }
  to_open_.insert(to_open_.end(), actions.open.begin(), actions.open.end());
  for (const auto id : actions.validate) to_look_after_.emplace_back(id, Look::try_it);
  for (const auto id : actions.reset) to_look_after_.emplace_back(id, Look::reset);
  if (!actions.open.empty()) opening_.notify_one();
  if (!actions.reset.empty() || !actions.validate.empty()) maintenance_.notify_one();
  return work;
}

void Pool::finish(Work work) const {
  for (auto& session : work.closed) {
    session.reset();
    tell({.kind = Kind::closed});
  }
  for (; work.leaked > 0; --work.leaked) tell({.kind = Kind::leaked});
}

sql::Returned Pool::state_of(Session& session) const {
  using sql::ResetOnReturn;
  using sql::Returned;
  if (session.server_left()) return Returned::server_left;
  if (session.broken() || session.in_transaction()) return Returned::unusable;
  const auto when = options_.limits.reset_on_return;
  const bool reset =
      when == ResetOnReturn::always || (when == ResetOnReturn::when_changed && session.changed());
  return reset ? Returned::to_reset : Returned::usable;
}

void Pool::give_back(sql::ConnectionId id, std::unique_ptr<Session> session,
                     std::optional<Instant::duration> used) {
  const auto state = state_of(*session);
  const bool keep = state == sql::Returned::usable || state == sql::Returned::to_reset;
  const auto now = clock_.instant();
  sql::PoolActions actions;
  std::unique_lock lock(mutex_);
  if (keep) kept_.emplace(id, Kept{std::move(session), true});
  if (limit_) {
    learn(keep, used, now);
    // Before it is given back, so that nobody is lent it past the new limit.
    core_.limit(static_cast<std::size_t>(limit_->limit()), now, actions);
  }
  core_.given_back(id, now, state, actions);
  auto work = take(actions);
  lock.unlock();
  if (!keep) work.closed.push_back(std::move(session));
  if (used) tell({.kind = Kind::returned, .took = *used});
  finish(std::move(work));
}

/// With the lock held. For how long a connection was in use is the round trip from which the limit
/// is found.
void Pool::learn(bool usable, std::optional<Instant::duration> used, Instant now) {
  using Verdict = resilience::AdaptiveLimit::Verdict;
  const auto verdict = !used ? Verdict::neither : usable ? Verdict::success : Verdict::dropped;
  limit_->leave(verdict, used.value_or(Instant::duration(0)), now, chance());
}

/// With the lock held. From 0 up to 1.
double Pool::chance() {
  return static_cast<double>(chance_() - std::minstd_rand::min()) /
         static_cast<double>(std::minstd_rand::max());
}

void Pool::keep_opening(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-pool-open");
  std::unique_lock lock(mutex_);
  while (opening_.wait(lock, stop, [this] { return !to_open_.empty(); })) {
    if (stop.stop_requested()) return;
    const auto id = to_open_.front();
    to_open_.pop_front();
    lock.unlock();
    open(id, stop);
    lock.lock();
  }
}

void Pool::maintain(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-pool");
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!to_look_after_.empty()) {
      const auto [id, how] = to_look_after_.front();
      to_look_after_.pop_front();
      lock.unlock();
      look_after(id, how, stop);
      lock.lock();
      continue;
    }
    sql::PoolActions actions;
    core_.tick(clock_.instant(), actions);
    // Callers watch their deadlines themselves; one that is late here has just left.
    auto work = take(actions);
    lock.unlock();
    finish(std::move(work));
    lock.lock();
    maintenance_.wait_for(lock, stop, maintain_every, [this] { return !to_look_after_.empty(); });
  }
}

void Pool::open(sql::ConnectionId id, const std::stop_token& stop) {
  tell({.kind = Kind::connecting});
  const auto began = clock_.instant();
  auto session = Session::connect(connect_, clock_, {.stop = stop});
  const auto now = clock_.instant();
  tell({.kind = session ? Kind::connected : Kind::failed,
        .took = now - began,
        .error = session ? nullptr : &session.error()});

  sql::PoolActions actions;
  std::unique_lock lock(mutex_);
  Work work;
  if (session) {
    kept_.emplace(id, Kept{std::move(*session), false});
    core_.opened(id, now, chance(), actions);
    work = take(actions);
  } else {
    core_.open_failed(id, actions);
    work = take(actions, &session.error());
  }
  lock.unlock();
  finish(std::move(work));
}

/// Tries or resets one that is idle.
void Pool::look_after(sql::ConnectionId id, Look how, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  auto kept = std::move(kept_.extract(id).mapped());
  lock.unlock();
  const Patience patience{.deadline = clock_.instant() + validation_time_max, .stop = stop};
  const bool well =
      how == Look::reset ? kept.session->reset(patience).ok() : alive(*kept.session, patience);
  auto state = well ? sql::Returned::usable : sql::Returned::unusable;
  if (!well && kept.session->server_left()) state = sql::Returned::server_left;
  sql::PoolActions actions;
  lock.lock();
  std::unique_ptr<Session> dead;
  if (well) {
    kept_.emplace(id, std::move(kept));
  } else {
    dead = std::move(kept.session);
  }
  core_.validated(id, clock_.instant(), state, actions);
  auto work = take(actions);
  lock.unlock();
  if (dead) work.closed.push_back(std::move(dead));
  finish(std::move(work));
}

void Pool::drop_idle() {
  sql::PoolActions actions;
  std::unique_lock lock(mutex_);
  core_.renew(actions);
  auto work = take(actions);
  lock.unlock();
  finish(std::move(work));
}

sql::PoolState Pool::state() const {
  const std::lock_guard lock(mutex_);
  return core_.state();
}

}  // namespace weir::postgres
