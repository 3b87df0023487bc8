#include <bench/retry_storm/storm.hpp>

#include <cmath>
#include <deque>
#include <memory>
#include <queue>

#include <weir/resilience/adaptive_limit/adaptive_limit.hpp>
#include <weir/resilience/circuit_breaker/circuit_breaker.hpp>
#include <weir/resilience/core/chance.hpp>
#include <weir/resilience/retry/retry.hpp>

namespace weir::bench {
namespace {

using namespace std::chrono_literals;
using resilience::AdaptiveLimit;
using resilience::CircuitBreaker;
using resilience::Duration;
using resilience::Outcome;
using resilience::RetryBudget;
using resilience::Retrying;
using resilience::RetryOptions;

constexpr Instant began{1h};

/// What the clients of one process share.
struct Process {
  RetryOptions retry;
  std::unique_ptr<CircuitBreaker> breaker;
  std::unique_ptr<AdaptiveLimit> limit;
};

/// A client, and the attempt that it waits for.
struct Client {
  std::uint32_t process = 0;
  std::uint32_t attempt = 0;  // rises with each; an answer to an earlier one comes too late
  bool waiting = false;
  Instant sent{};
  std::size_t second = 0;  // in which the call began
  CircuitBreaker::Admission admission;
  std::optional<Retrying> retrying;
};

enum class What : std::uint8_t { begin, send, time_out, served };

struct Happening {
  Instant at;
  std::uint64_t order;  // of those at the same moment
  What what;
  std::uint32_t client;
  std::uint32_t attempt;

  bool operator>(const Happening& other) const {
    return at != other.at ? at > other.at : order > other.order;
  }
};

class Storm {
 public:
  Storm(const StormOptions& options, const StormClients& behaviour)
      : options_(options), chance_(options.seed), clients_(std::size_t(options.clients)) {
    for (int i = 0; i < options.processes; ++i) processes_.push_back(process(behaviour));
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      clients_[i].process = static_cast<std::uint32_t>(i % processes_.size());
      at(began + pause(), What::begin, static_cast<std::uint32_t>(i));
    }
    const auto seconds = static_cast<std::size_t>(options.length / 1s);
    for (auto* series : {&told_.begun, &told_.sent, &told_.answered, &answered_of_begun_}) {
      series->assign(seconds, 0);
    }
  }

  StormOutcome run() {
    while (!happenings_.empty() && happenings_.top().at < began + options_.length) {
      const auto next = happenings_.top();
      happenings_.pop();
      now_ = next.at;
      switch (next.what) {
        case What::begin:
          begin(next.client);
          break;
        case What::send:
          send(next.client);
          break;
        case What::time_out:
          time_out(next.client, next.attempt);
          break;
        case What::served:
          served();
          break;
      }
    }
    return outcome();
  }

 private:
  static Process process(const StormClients& behaviour) {
    Process made;
    made.retry = {.attempts_max = behaviour.attempts_max,
                  .delay = 1s,
                  .delay_max = 30s,
                  .backoff = behaviour.jitter ? resilience::Backoff::exponential
                                              : resilience::Backoff::constant,
                  .jitter = behaviour.jitter ? resilience::Jitter::full : resilience::Jitter::none};
    if (behaviour.budget) made.retry.budget = RetryBudget::create({}).value();
    if (behaviour.breaker) {
      made.breaker =
          CircuitBreaker::create({.calls_min = 20, .window = 10s, .open_for = 5s}).value();
    }
    if (behaviour.adaptive_limit) {
      made.limit = AdaptiveLimit::create({.initial = 20, .limit_min = 2}).value();
    }
    return made;
  }

  /// Exponentially distributed, so that calls come at random.
  Duration pause() {
    const double mean = std::chrono::duration<double>(options_.pause).count();
    const double seconds = -std::log(1 - chance_.next()) * mean;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  }

  void at(Instant when, What what, std::uint32_t client, std::uint32_t attempt = 0) {
    happenings_.push({when, ++order_, what, client, attempt});
  }

  std::size_t second() const { return static_cast<std::size_t>((now_ - began) / 1s); }
  bool slow() const {
    return now_ >= began + options_.slow_from && now_ < began + options_.slow_until;
  }

  void begin(std::uint32_t number) {
    Client& client = clients_[number];
    client.retrying.emplace(now_);
    client.second = second();
    told_.begun[second()] += 1;
    send(number);
  }

  void send(std::uint32_t number) {
    Client& client = clients_[number];
    Process& process = processes_[client.process];
    if (process.breaker) {
      client.admission = process.breaker->admit(now_);
      if (!client.admission) {
        Error refused = unavailable("circuit is open");
        if (client.admission.retry_after) {
          refused.retry_after =
              std::chrono::ceil<std::chrono::milliseconds>(*client.admission.retry_after);
        }
        return failed(number, refused);
      }
    }
    if (process.limit && !process.limit->try_enter()) {
      record(client, CircuitBreaker::Verdict::neither);
      return failed(number, overloaded("over the limit", {}));
    }
    ++client.attempt;
    client.sent = now_;
    client.waiting = true;
    told_.sent[second()] += 1;
    if (queue_.size() >= options_.queue_max) {
      client.waiting = false;
      return lost(number, unavailable("the service's queue is full"));
    }
    queue_.push_back({number, client.attempt});
    at(now_ + options_.timeout, What::time_out, number, client.attempt);
    if (queue_.size() == 1) serve();
  }

  /// The service begins with the call that has waited longest.
  void serve() {
    const double rate = options_.capacity * (slow() ? options_.slow_share : 1.0);
    const auto each = std::chrono::duration<double>(1 / rate);
    at(now_ + std::chrono::duration_cast<Duration>(each), What::served, 0);
  }

  void served() {
    const auto [number, attempt] = queue_.front();
    queue_.pop_front();
    if (!queue_.empty()) serve();
    Client& client = clients_[number];
    if (!client.waiting || client.attempt != attempt) return;  // nobody waits for it any more
    client.waiting = false;
    Process& process = processes_[client.process];
    record(client, CircuitBreaker::Verdict::success);
    if (process.limit) {
      process.limit->leave(AdaptiveLimit::Verdict::success, now_ - client.sent, now_,
                           chance_.next());
    }
    if (process.retry.budget) process.retry.budget->succeeded();
    told_.answered[second()] += 1;
    answered_of_begun_[client.second] += 1;
    at(now_ + pause(), What::begin, number);
  }

  void time_out(std::uint32_t number, std::uint32_t attempt) {
    Client& client = clients_[number];
    if (!client.waiting || client.attempt != attempt) return;
    client.waiting = false;
    lost(number, deadline_passed());
  }

  /// An attempt that was sent has failed.
  void lost(std::uint32_t number, const Error& error) {
    Client& client = clients_[number];
    Process& process = processes_[client.process];
    record(client, CircuitBreaker::Verdict::failure);
    if (process.limit) {
      process.limit->leave(AdaptiveLimit::Verdict::dropped, now_ - client.sent, now_,
                           chance_.next());
    }
    failed(number, error);
  }

  void failed(std::uint32_t number, const Error& error) {
    Client& client = clients_[number];
    const auto decision =
        client.retrying->failed(processes_[client.process].retry, Outcome::of_error(error), now_,
                                Instant::max(), chance_.next());
    if (decision.again) {
      at(now_ + decision.delay, What::send, number);
    } else {
      at(now_ + pause(), What::begin, number);
    }
  }

  void record(const Client& client, CircuitBreaker::Verdict verdict) {
    auto& breaker = processes_[client.process].breaker;
    if (breaker) breaker->record(client.admission, verdict, now_);
  }

  StormOutcome outcome() const {
    StormOutcome outcome{.seconds = told_};
    const auto from = static_cast<std::size_t>(options_.slow_from / 1s);
    const auto until = static_cast<std::size_t>(options_.slow_until / 1s);
    double begun = 0, sent = 0, begun_slow = 0, answered_slow = 0;
    for (std::size_t i = from; i < told_.begun.size(); ++i) {
      begun += told_.begun[i];
      sent += told_.sent[i];
      if (i >= until) continue;
      begun_slow += told_.begun[i];
      answered_slow += answered_of_begun_[i];
    }
    outcome.amplification = sent / begun;
    outcome.answered_while_slow = answered_slow / begun_slow;
    int well = 0;
    for (std::size_t i = until; i < told_.begun.size() && !outcome.recovered_after; ++i) {
      well = told_.answered[i] >= 0.95 * told_.begun[i] ? well + 1 : 0;
      if (well == 5) outcome.recovered_after = std::chrono::seconds(i - 4 - until);
    }
    return outcome;
  }

  const StormOptions options_;
  resilience::Chance chance_;
  std::vector<Client> clients_;
  std::vector<Process> processes_;
  std::priority_queue<Happening, std::vector<Happening>, std::greater<>> happenings_;
  std::deque<std::pair<std::uint32_t, std::uint32_t>> queue_;
  StormSeconds told_;
  std::vector<double> answered_of_begun_;
  std::uint64_t order_ = 0;
  Instant now_ = began;
};

}  // namespace

StormOutcome simulate(const StormOptions& options, const StormClients& clients) {
  return Storm(options, clients).run();
}

std::vector<StormClients> storm_clients() {
  return {
      {.name = "one attempt", .attempts_max = 1},
      {.name = "three attempts, 1 s apart"},
      {.name = "three attempts, exponential with full jitter", .jitter = true},
      {.name = "jitter and a retry budget", .jitter = true, .budget = true},
      {.name = "jitter and a circuit breaker", .jitter = true, .breaker = true},
      {.name = "jitter, budget and adaptive limit",
       .jitter = true,
       .budget = true,
       .adaptive_limit = true},
  };
}

}  // namespace weir::bench
