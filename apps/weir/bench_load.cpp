#include <apps/weir/bench_load.hpp>

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

namespace weir::bench {
namespace {

constexpr std::size_t payload_bytes = 260;
constexpr std::uint64_t types = 20;

/// Writes eight digits. Cheap, so that what is measured is the store.
void write_digits(std::uint64_t number, char* to) {
  for (int i = 7; i >= 0; --i) {
    to[i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

std::string tag_of(std::uint64_t number) {
  std::string tag = "tag:00000000";
  write_digits(number, tag.data() + 4);
  return tag;
}

/// What all clients share while they run.
class Round {
 public:
  Round(const Load& load, const Clock& clock, const std::stop_token& stop, Measured& measured)
      : load_(load),
        clock_(clock),
        measured_(measured),
        running_(load.clients),
        on_stop_(stop, [this] { fail(cancelled()); }) {
    const auto now = clock.instant();
    counts_from_ = now + std::chrono::duration_cast<Instant::duration>(load.warm_up);
    ends_ = counts_from_ + std::chrono::duration_cast<Instant::duration>(load.seconds);
  }

  /// Takes note of an operation. False when its client is to stop.
  bool record(Instant began, const Result<Outcome>& outcome) {
    const auto now = clock_.instant();
    if (!outcome) {
      fail(outcome.error());
    } else if (now >= counts_from_ && now < ends_) {
      operations_.fetch_add(1, std::memory_order_relaxed);
      events_.fetch_add(outcome->events, std::memory_order_relaxed);
      if (outcome->refused) refused_.fetch_add(1, std::memory_order_relaxed);
      measured_.latencies.add(now - began);
    }
    return now < ends_ && !stopping_.load(std::memory_order_relaxed);
  }

  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    stopping_ = true;
  }

  void leave() {
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) all_left_.notify_all();
  }

  Result<void> wait() {
    std::unique_lock lock(mutex_);
    all_left_.wait(lock, [this] { return running_ == 0; });
    measured_.seconds = counted(load_, counts_from_, clock_.instant());
    measured_.operations = operations_;
    measured_.events = events_;
    measured_.refused = refused_;
    if (error_) return *error_;
    return {};
  }

  const Clock& clock() const { return clock_; }

 private:
  const Load& load_;
  const Clock& clock_;
  Measured& measured_;
  Instant counts_from_;
  Instant ends_;
  std::atomic<std::uint64_t> operations_ = 0;
  std::atomic<std::uint64_t> events_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable all_left_;
  std::size_t running_;
  std::optional<Error> error_;
  /// Last, since it may be called at once, and uses the others.
  std::stop_callback<std::function<void()>> on_stop_;
};

/// One client's operations, one after the other.
class Client {
 public:
  Client(Round& round, const Operation& operation, std::size_t number)
      : round_(round), operation_(operation), number_(number) {}

  void go_on() {
    do {
      ended_or_begun_ = false;
      const auto began = round_.clock().instant();
      operation_(number_, [this, began](Result<Outcome> outcome) {
        more_ = round_.record(began, outcome);
        // Whoever comes second goes on: a call that is answered at once must not nest.
        if (!ended_or_begun_.exchange(true)) return;
        if (more_) return go_on();
        round_.leave();
      });
      if (!ended_or_begun_.exchange(true)) return;
    } while (more_);
    round_.leave();
  }

 private:
  Round& round_;
  const Operation& operation_;
  const std::size_t number_;
  std::atomic<bool> ended_or_begun_ = false;
  bool more_ = false;
};

}  // namespace

EventMaker::EventMaker(const Workload& workload, std::uint64_t client)
    : workload_(workload), random_(workload.seed * 1'000'003 + client) {
  payload_ = R"({"book":"00000000","reader":"00000000","note":")";
  payload_.append(payload_bytes - payload_.size() - 2, 'x');
  payload_ += "\"}";
}

Event EventMaker::next() {
  const auto book = random_() % workload_.tags;
  const auto reader = random_() % workload_.tags;
  write_digits(book, payload_.data() + 9);
  write_digits(reader, payload_.data() + 29);
  Event event{.type = "BookEvent00", .data = payload_};
  const auto type = random_() % types;
  event.type[9] = static_cast<char>('0' + type / 10);
  event.type[10] = static_cast<char>('0' + type % 10);
  event.tags.reserve(2);
  event.tags.push_back(tag_of(book));
  event.tags.push_back(tag_of(reader));
  return event;
}

std::vector<Event> EventMaker::next(std::size_t count) {
  std::vector<Event> events;
  events.reserve(count);
  for (std::size_t i = 0; i < count; ++i) events.push_back(next());
  return events;
}

Event EventMaker::in_boundary(std::uint64_t number) {
  auto event = next();
  event.tags.front() = tag_of_boundary(number);
  return event;
}

std::uint64_t EventMaker::any_boundary() {
  return random_() % workload_.boundaries;
}

std::string tag_of_boundary(std::uint64_t number) {
  return fmt::format("boundary:{:06}", number);
}

std::size_t Latencies::slot_of(std::uint64_t nanoseconds) {
  if (nanoseconds < steps) return nanoseconds;
  const auto doublings =
      static_cast<std::size_t>(std::bit_width(nanoseconds) - std::bit_width(std::uint64_t{steps}));
  return doublings * steps + (nanoseconds >> doublings);
}

std::uint64_t Latencies::value_of(std::size_t slot) {
  if (slot < 2 * steps) return slot;
  const auto doublings = slot / steps - 1;
  return (slot % steps + steps) << doublings;
}

void Latencies::add(std::chrono::nanoseconds duration) {
  const auto value = std::max<std::int64_t>(duration.count(), 0);
  const auto slot = std::min(slot_of(static_cast<std::uint64_t>(value)), slots_.size() - 1);
  slots_[slot].fetch_add(1, std::memory_order_relaxed);
  auto max = max_.load(std::memory_order_relaxed);
  while (value > max && !max_.compare_exchange_weak(max, value, std::memory_order_relaxed)) {
  }
}

std::uint64_t Latencies::count() const {
  std::uint64_t all = 0;
  for (const auto& slot : slots_) all += slot.load(std::memory_order_relaxed);
  return all;
}

std::chrono::nanoseconds Latencies::at(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count()));
  std::uint64_t seen = 0;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    seen += slots_[slot].load(std::memory_order_relaxed);
    if (seen > wanted) return std::chrono::nanoseconds(value_of(slot));
  }
  return max();
}

std::chrono::duration<double> counted(const Load& load, Instant counts_from, Instant now) {
  const std::chrono::duration<double> none{0};
  return std::clamp<std::chrono::duration<double>>(now - counts_from, none, load.seconds);
}

Result<void> drive(const Load& load, const Operation& operation, const Clock& clock,
                   std::stop_token stop, Measured& measured) {
  Round round(load, clock, stop, measured);
  std::deque<Client> clients;
  for (std::size_t i = 0; i < load.clients; ++i) clients.emplace_back(round, operation, i).go_on();
  return round.wait();
}

Result<void> drive_blocking(const Load& load, const BlockingOperation& operation,
                            const Clock& clock, std::stop_token stop, Measured& measured) {
  Round round(load, clock, stop, measured);
  std::vector<std::jthread> threads;
  threads.reserve(load.clients);
  for (std::size_t client = 0; client < load.clients; ++client) {
    threads.emplace_back([&round, &operation, client] {
      Instant began;
      do {
        began = round.clock().instant();
      } while (round.record(began, operation(client)));
      round.leave();
    });
  }
  return round.wait();
}

}  // namespace weir::bench
