#include <weir/sql/postgres/pool.hpp>

#include <fmt/format.h>

namespace weir::postgres {
namespace {

constexpr std::chrono::milliseconds retry_delay{100};

}  // namespace

Pool::Pool(PoolOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

Pool::Lease::~Lease() {
  if (session_) pool_->give_back(std::move(session_));
}

Result<void> Pool::wait_for_turn(std::unique_lock<std::mutex>& lock, const Patience& patience) {
  const auto is_free = [this] { return in_use_ < options_.sessions_max; };
  if (is_free()) return {};
  if (waiting_ >= options_.waiting_max) {
    return overloaded(fmt::format("the pool '{}' has no free connection and {} callers wait",
                                  options_.name, waiting_),
                      retry_delay);
  }
  const auto latest = clock_.instant() + options_.wait_max;
  const auto until = patience.deadline ? *patience.deadline : latest;
  ++waiting_;
  const bool turn = free_.wait_until(lock, patience.stop, until, is_free);
  --waiting_;
  if (turn) return {};
  if (patience.stop.stop_requested()) return cancelled();
  const auto message = fmt::format("no connection of the pool '{}' became free; all {} are in use",
                                   options_.name, options_.sessions_max);
  if (!patience.deadline) return overloaded(message, retry_delay);
  auto error = deadline_passed();
  error.message = message;
  return error;
}

Result<Pool::Lease> Pool::checkout(const Patience& patience) {
  {
    std::unique_lock lock(mutex_);
    WEIR_TRY(wait_for_turn(lock, patience));
    ++in_use_;
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(session), true);
    }
  }
  auto session = Session::connect(options_.connect, clock_, patience);
  if (session) return Lease(*this, std::move(*session), false);
  give_back(nullptr);
  return session.error();
}

void Pool::give_back(std::unique_ptr<Session> session) {
  {
    const std::lock_guard lock(mutex_);
    --in_use_;
    if (session && !session->broken()) idle_.push_back(std::move(session));
  }
  free_.notify_one();
}

void Pool::drop_idle() {
  std::vector<std::unique_ptr<Session>> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(idle_);
}

std::size_t Pool::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

}  // namespace weir::postgres
