#include <weir/store/resilient/recovery.hpp>

#include <pthread.h>

#include <weir/store/resilient/circuit.hpp>

namespace weir::resilient {
namespace {

using resilience::CircuitBreaker;
using resilience::EventKind;
using resilience::Kind;

/// Those who are refused are told to come when a look has been answered, not when it begins.
constexpr std::chrono::milliseconds answer_time{100};

constexpr std::string_view operation = "recover";

CircuitBreaker& breaker_of(const resilience::Core& core) {
  return level_of(core, Kind::circuit_breaker).with<CircuitBreaker>();
}

}  // namespace

class Recovery::Hearing final : public resilience::Listener {
 public:
  Hearing(std::shared_ptr<Signal> signal, std::shared_ptr<resilience::Listener> to)
      : signal_(std::move(signal)), to_(std::move(to)) {}

  void on_event(const resilience::Event& event) noexcept override {
    if (event.kind == EventKind::opened || event.kind == EventKind::closed ||
        event.kind == EventKind::half_opened) {
      {
        const std::lock_guard lock(signal_->mutex);
        signal_->changed = true;
      }
      signal_->wake.notify_all();
    }
    if (to_) to_->on_event(event);
  }
  bool wants_calls() const override { return to_ && to_->wants_calls(); }

 private:
  const std::shared_ptr<Signal> signal_;
  const std::shared_ptr<resilience::Listener> to_;
};

Recovery::Recovery(const RecoveryOptions& options, const Clock& clock)
    : clock_(clock), options_(options), schedule_(options) {}

Recovery::~Recovery() = default;

std::shared_ptr<resilience::Listener> Recovery::listener(
    std::shared_ptr<resilience::Listener> to) const {
  return std::make_shared<Hearing>(signal_, std::move(to));
}

void Recovery::begin(std::vector<Circuit> circuits, Look look) {
  const std::lock_guard lock(mutex_);
  circuits_ = std::move(circuits);
  look_ = std::move(look);
  expect_looks();
  if (thread_.joinable()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Recovery::replace(const RecoveryOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    options_ = options;
    schedule_ = RecoverySchedule(options);
    expect_looks();
  }
  {
    const std::lock_guard lock(signal_->mutex);
    signal_->changed = true;
  }
  signal_->wake.notify_all();
}

/// With the lock held.
void Recovery::expect_looks() {
  const bool looks = options_.delay > options_.delay.zero();
  for (const auto& circuit : circuits_) {
    breaker_of(*circuit.pipeline.core())
        .expect_look_after(looks ? options_.delay + answer_time : options_.delay.zero());
  }
}

void Recovery::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-recovery");
  std::unique_lock lock(signal_->mutex);
  const auto changed = [this] { return signal_->changed; };
  while (!stop.stop_requested()) {
    signal_->changed = false;
    lock.unlock();
    const auto at = next();
    lock.lock();
    if (!at) {
      signal_->wake.wait(lock, stop, changed);
      continue;
    }
    // By how long, not until when: a clock that stands still must not keep this thread busy.
    if (signal_->wake.wait_for(lock, stop, *at - clock_.instant(), changed)) continue;
    if (stop.stop_requested()) return;
    lock.unlock();
    look(stop);
    lock.lock();
  }
}

/// With the lock held; notes on the way whether the outage is over.
std::vector<Recovery::Open> Recovery::open_circuits() {
  std::vector<Open> open;
  bool over = true;
  for (const auto& circuit : circuits_) {
    auto core = circuit.pipeline.core();
    const auto snapshot = breaker_of(*core).snapshot(clock_.instant());
    if (snapshot.state == CircuitBreaker::State::half_open) over = false;
    if (snapshot.state != CircuitBreaker::State::open) continue;
    over = false;
    open.push_back({std::move(core), circuit.writes, snapshot.generation});
  }
  if (over) schedule_.over();
  return open;
}

std::optional<Instant> Recovery::next() {
  const std::lock_guard lock(mutex_);
  const auto open = open_circuits();
  if (open.empty() || options_.delay == options_.delay.zero()) return std::nullopt;
  const auto at = schedule_.due(clock_.instant(), open.front().core->chance->next());
  for (const auto& [core, writes, generation] : open) {
    breaker_of(*core).expect_look(generation, resilience::later(at, answer_time));
  }
  return at;
}

void Recovery::look(const std::stop_token& stop) {
  std::vector<Open> open;
  resilience::Duration timeout{};
  Look look;
  {
    const std::lock_guard lock(mutex_);
    open = open_circuits();
    look = look_;
    timeout = options_.timeout;
  }
  if (open.empty()) return;
  const auto found = look({.deadline = resilience::later(clock_.instant(), timeout), .stop = stop});
  for (const auto& [core, writes, generation] : open) {
    if (!found || (writes && !found->writes)) continue;
    const auto& level = level_of(*core, Kind::circuit_breaker);
    tell_change(*core, level, operation, breaker_of(*core).try_half_open(generation));
  }
  const std::lock_guard lock(mutex_);
  schedule_.looked(clock_.instant(), open.front().core->chance->next());
}

}  // namespace weir::resilient
