#include <weir/resilience/core/context.hpp>

#include <algorithm>

namespace weir::resilience {

/// A stop that both the caller and the deadline can request.
struct Context::Link {
  struct Forward {
    std::stop_source source;
    void operator()() { source.request_stop(); }
  };

  Link(const std::stop_token& caller, Instant deadline, Timers& timers)
      : from_caller(caller, Forward{source}), armed(timers.stop_at(deadline, source)) {}

  std::stop_source source;
  std::stop_callback<Forward> from_caller;
  std::unique_ptr<Timers::Armed> armed;
};

void Context::LinkDeleter::operator()(Link* link) const {
  delete link;
}

std::optional<Instant> Context::deadline() const {
  if (deadline_ == Instant::max()) return std::nullopt;
  return deadline_;
}

std::optional<Duration> Context::time_left() const {
  if (deadline_ == Instant::max()) return std::nullopt;
  return std::max(deadline_ - clock_->instant(), Duration::zero());
}

std::stop_token Context::stop_token() {
  if (deadline_ == Instant::max()) return call_->stop;
  if (!link_) link_.reset(new Link(call_->stop, deadline_, *timers_));
  return link_->source.get_token();
}

bool Context::stopped() const {
  return caller_stopped() || (deadline_ != Instant::max() && clock_->instant() >= deadline_);
}

Result<void> Context::check() const {
  if (caller_stopped()) return cancelled();
  if (deadline_ != Instant::max() && clock_->instant() >= deadline_) return deadline_passed();
  return {};
}

}  // namespace weir::resilience
