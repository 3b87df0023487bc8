#include <weir/sql/postgres/pool.hpp>

#include <pthread.h>

#include <fmt/format.h>

#include <weir/base/assert.hpp>

namespace weir::postgres {
namespace {

using Kind = PoolEvent::Kind;

constexpr std::chrono::milliseconds retry_delay{100};
/// How long a connection may take to answer when it is tried.
constexpr std::chrono::seconds validation_time_max{5};
/// The maintenance thread looks for what is due at most, and at least, this often.
constexpr std::chrono::milliseconds maintain_every{500};

bool alive(Session& session, const Patience& patience) {
  return session.execute("SELECT 1", {}, patience).ok();
}

}  // namespace

Pool::Pool(PoolOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      core_(options_.limits),
      chance_(static_cast<std::minstd_rand::result_type>(clock.now().time_since_epoch().count())),
      thread_([this](const std::stop_token& stop) { maintain(stop); }) {}

Pool::~Pool() {
  thread_.request_stop();
  thread_.join();
}

Pool::Lease::~Lease() {
  if (!session_) return;
  pool_->tell(Kind::returned, pool_->clock_.instant() - since_);
  pool_->give_back(id_, std::move(session_));
}

void Pool::tell(Kind kind, Instant::duration took) const {
  if (options_.listener) options_.listener({kind, took});
}

Result<Pool::Lease> Pool::checkout(const Patience& patience) {
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
    return gave_up(patience);
  }
  if (const auto* error = std::get_if<Error>(&waiter.outcome)) return *error;
  const auto lend = std::get<sql::PoolActions::Lend>(waiter.outcome);
  auto [session, used] = std::move(kept_.extract(lend.connection).mapped());
  lock.unlock();

  if (lend.validate && !alive(*session, {.deadline = clock_.instant() + validation_time_max,
                                         .stop = patience.stop})) {
    dead = !patience.stop.stop_requested();
    give_back(lend.connection, std::move(session));
    return cancelled();
  }
  const auto now = clock_.instant();
  tell(Kind::borrowed, now - began);
  return Lease(*this, lend.connection, std::move(session), used, now);
}

Error Pool::gave_up(const Patience& patience) const {
  if (patience.stop.stop_requested()) return cancelled();
  const auto message = fmt::format("no connection of the pool '{}' became free; all {} are in use",
                                   options_.limits.name, options_.limits.size_max);
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
  for (const auto& lend : actions.lend) settle(lend.caller, lend);
  for (const auto caller : actions.failed) {
    WEIR_ASSERT(why != nullptr);
    settle(caller, *why);
  }
  Work work{.leaked = actions.leaked.size()};
  for (const auto id : actions.close) {
    if (auto node = kept_.extract(id)) work.closed.push_back(std::move(node.mapped().session));
  }
  to_open_.insert(to_open_.end(), actions.open.begin(), actions.open.end());
  to_validate_.insert(to_validate_.end(), actions.validate.begin(), actions.validate.end());
  if (!actions.open.empty()) maintenance_.notify_one();
  return work;
}

void Pool::finish(Work work) const {
  for (auto& session : work.closed) {
    session.reset();
    tell(Kind::closed);
  }
  for (; work.leaked > 0; --work.leaked) tell(Kind::leaked);
}

void Pool::give_back(sql::ConnectionId id, std::unique_ptr<Session> session) {
  const bool usable = !session->broken();
  sql::PoolActions actions;
  std::unique_lock lock(mutex_);
  if (usable) kept_.emplace(id, Kept{std::move(session), true});
  core_.given_back(id, clock_.instant(), usable, actions);
  auto work = take(actions);
  lock.unlock();
  if (!usable) work.closed.push_back(std::move(session));
  finish(std::move(work));
}

void Pool::maintain(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-pool");
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!to_open_.empty()) {
      const auto id = to_open_.front();
      to_open_.pop_front();
      lock.unlock();
      open(id, stop);
      lock.lock();
      continue;
    }
    if (!to_validate_.empty()) {
      const auto id = to_validate_.front();
      to_validate_.pop_front();
      lock.unlock();
      validate(id, stop);
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
    maintenance_.wait_for(lock, stop, maintain_every,
                          [this] { return !to_open_.empty() || !to_validate_.empty(); });
  }
}

void Pool::open(sql::ConnectionId id, const std::stop_token& stop) {
  tell(Kind::connecting);
  const auto began = clock_.instant();
  auto session = Session::connect(options_.connect, clock_, {.stop = stop});
  const auto now = clock_.instant();
  tell(session ? Kind::connected : Kind::failed, now - began);

  sql::PoolActions actions;
  std::unique_lock lock(mutex_);
  Work work;
  if (session) {
    kept_.emplace(id, Kept{std::move(*session), false});
    const auto chance = static_cast<double>(chance_()) / std::minstd_rand::max();
    core_.opened(id, now, chance, actions);
    work = take(actions);
  } else {
    core_.open_failed(id, actions);
    work = take(actions, &session.error());
  }
  lock.unlock();
  finish(std::move(work));
}

void Pool::validate(sql::ConnectionId id, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  auto kept = std::move(kept_.extract(id).mapped());
  lock.unlock();
  const bool usable =
      alive(*kept.session, {.deadline = clock_.instant() + validation_time_max, .stop = stop});
  sql::PoolActions actions;
  lock.lock();
  std::unique_ptr<Session> dead;
  if (usable) {
    kept_.emplace(id, std::move(kept));
  } else {
    dead = std::move(kept.session);
  }
  core_.validated(id, clock_.instant(), usable, actions);
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
