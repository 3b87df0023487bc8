#include <weir/resilience/testing/fake_time.hpp>

namespace weir::resilience {

struct FakeTime::Due final : Armed {
  Due(FakeTime& owner, Instant when, std::stop_source which)
      : of(owner), at(when), source(std::move(which)) {}
  ~Due() override {
    const std::lock_guard lock(of.mutex_);
    const auto [first, last] = of.due_.equal_range(at);
    for (auto it = first; it != last; ++it) {
      if (it->second == source) {
        of.due_.erase(it);
        return;
      }
    }
  }
  FakeTime& of;
  Instant at;
  std::stop_source source;
};

Timestamp FakeTime::now() const {
  const Timestamp begin = std::chrono::sys_days(std::chrono::year(2020) / 1 / 1);
  const std::lock_guard lock(mutex_);
  return begin + std::chrono::floor<std::chrono::microseconds>(now_ - began_);
}

Instant FakeTime::instant() const {
  const std::lock_guard lock(mutex_);
  ++reads_;
  return now_;
}

void FakeTime::advance(Duration by) {
  Instant to;
  {
    const std::lock_guard lock(mutex_);
    to = later(now_, by);
  }
  advance_to(to);
}

void FakeTime::advance_to(Instant to) {
  while (true) {
    std::stop_source next(std::nostopstate);
    {
      const std::lock_guard lock(mutex_);
      if (due_.empty() || due_.begin()->first > to) {
        now_ = std::max(now_, to);
        return;
      }
      now_ = std::max(now_, due_.begin()->first);
      next = std::move(due_.begin()->second);
      due_.erase(due_.begin());
    }
    next.request_stop();
  }
}

std::vector<Duration> FakeTime::waits() const {
  const std::lock_guard lock(mutex_);
  return waits_;
}

int FakeTime::reads() const {
  const std::lock_guard lock(mutex_);
  return reads_;
}

bool FakeTime::wait(Instant until, const std::stop_token& stop) {
  if (stop.stop_requested()) return false;
  {
    const std::lock_guard lock(mutex_);
    waits_.push_back(until - now_);
  }
  advance_to(until);
  return !stop.stop_requested();
}

std::unique_ptr<Timers::Armed> FakeTime::stop_at(Instant at, std::stop_source source) {
  {
    const std::lock_guard lock(mutex_);
    due_.emplace(at, source);
  }
  return std::make_unique<Due>(*this, at, std::move(source));
}

}  // namespace weir::resilience
