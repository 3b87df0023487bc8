#include <apps/weir/bench_operations.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

namespace weir::bench {
namespace {

constexpr std::size_t preload_batch = 1000;
constexpr std::size_t preload_outstanding = 4;
constexpr std::size_t boundaries_outstanding = 64;

/// Waits for an operation with a callback.
template <class T, class Start>
Result<T> wait_for(Start start) {
  std::promise<Result<T>> promise;
  auto future = promise.get_future();
  start([&promise](Result<T> result) { promise.set_value(std::move(result)); });
  return future.get();
}

/// Starts operations, a few at a time, and takes what they give in order.
template <class T, class Start, class Take>
Result<void> all_of(std::uint64_t count, std::size_t outstanding_max, Start start, Take take) {
  std::deque<std::future<Result<T>>> outstanding;
  const auto finish_one = [&]() -> Result<void> {
    auto done = outstanding.front().get();
    outstanding.pop_front();
    if (!done) return done.error();
    take(std::move(*done));
    return {};
  };
  Result<void> result;
  for (std::uint64_t i = 0; i < count && result; ++i) {
    const auto promise = std::make_shared<std::promise<Result<T>>>();
    outstanding.push_back(promise->get_future());
    start(i, [promise](Result<T> done) { promise->set_value(std::move(done)); });
    if (outstanding.size() == outstanding_max) result = finish_one();
  }
  while (!outstanding.empty()) {
    const auto finished = finish_one();
    if (result) result = finished;
  }
  return result;
}

Result<void> append_all(Api& api, std::uint64_t batches,
                        const std::function<std::vector<Event>(std::uint64_t)>& make,
                        const std::function<void(std::uint64_t)>& on_batch) {
  return all_of<Position>(
      batches, preload_outstanding,
      [&](std::uint64_t i, Done<Position> done) {
        api.append(0, {.events = make(i)}, std::move(done));
      },
      [&](Position last) { on_batch(last.value); });
}

Query boundary_query(std::uint64_t number) {
  return Query{}.tagged(tag_of_boundary(number));
}

}  // namespace

Appends::Appends(Api& api, const Workload& workload, std::size_t clients, AppendLoad load,
                 Position head)
    : api_(api), load_(load) {
  for (std::size_t i = 0; i < clients; ++i) {
    clients_.push_back({.maker = EventMaker(workload, i + 1), .seen = head});
  }
}

AppendRequest Appends::next(Client& client) {
  AppendRequest request{.events = client.maker.next(load_.batch)};
  if (load_.condition) {
    request.condition = {
        .fail_if_events_match = Query{}.tagged(request.events.front().tags.front()),
        .after = client.seen};
  }
  return request;
}

Result<Outcome> Appends::take(Client& client, const Result<Position>& appended) {
  if (appended) {
    client.seen = *appended;
    return Outcome{.events = load_.batch};
  }
  if (appended.error().code == Code::aborted) return Outcome{.refused = true};
  return appended.error();
}

void Appends::begin(std::size_t client, Done<Outcome> done) {
  api_.append(client, next(clients_[client]),
              [this, client, done = std::move(done)](Result<Position> appended) mutable {
                done(take(clients_[client], appended));
              });
}

Result<Outcome> Appends::run(std::size_t client) {
  return take(clients_[client], api_.append(client, next(clients_[client])));
}

Decisions::Decisions(Api& api, const Workload& workload, std::size_t clients)
    : api_(api), workload_(workload), read_after_(workload.boundaries) {
  for (std::size_t i = 0; i < clients; ++i) makers_.emplace_back(workload, i + 1);
}

Result<void> Decisions::find_boundaries() {
  std::uint64_t number = 0;
  return all_of<Boundary>(
      workload_.boundaries, boundaries_outstanding,
      [this](std::uint64_t i, Done<Boundary> done) {
        api_.read_boundary(i, boundary_query(i), Position(), std::move(done));
      },
      [&](const Boundary& boundary) { take(number++, boundary); });
}

/// The next decision reads the newest events of these, and the one that this decision appends.
void Decisions::take(std::uint64_t number, const Boundary& boundary) {
  const auto& positions = boundary.positions;
  const auto kept = std::min<std::size_t>(workload_.boundary_events - 1, positions.size());
  if (kept == 0) return;
  read_after_[number].store(positions[positions.size() - kept].previous().value,
                            std::memory_order_relaxed);
}

void Decisions::begin(std::size_t client, Done<Outcome> done) {
  const auto number = makers_[client].any_boundary();
  api_.read_boundary(
      client, boundary_query(number), Position(read_after_[number].load(std::memory_order_relaxed)),
      [this, client, number, done = std::move(done)](Result<Boundary> boundary) mutable {
        if (!boundary) return done(boundary.error());
        events_read_.fetch_add(boundary->positions.size(), std::memory_order_relaxed);
        take(number, *boundary);
        append(client, number, boundary->head, std::move(done));
      });
}

void Decisions::append(std::size_t client, std::uint64_t number, Position head,
                       Done<Outcome> done) {
  AppendRequest request;
  request.events.push_back(makers_[client].in_boundary(number));
  request.condition = {.fail_if_events_match = boundary_query(number), .after = head};
  api_.append(client, std::move(request),
              [done = std::move(done)](Result<Position> appended) mutable {
                if (appended) return done(Outcome{.events = 1});
                if (appended.error().code == Code::aborted) return done(Outcome{.refused = true});
                done(appended.error());
              });
}

Result<void> preload(Api& api, const Workload& workload, std::uint64_t events,
                     const std::function<void(std::uint64_t)>& on_progress) {
  WEIR_TRY_ASSIGN(head, api.head());
  if (head.value >= events) return {};
  const auto missing = events - head.value;
  EventMaker maker(workload, 0);
  return append_all(
      api, (missing + preload_batch - 1) / preload_batch,
      [&](std::uint64_t i) {
        return maker.next(std::min<std::uint64_t>(preload_batch, missing - i * preload_batch));
      },
      on_progress);
}

Result<void> preload_boundaries(Api& api, const Workload& workload) {
  WEIR_TRY_ASSIGN(last, wait_for<Boundary>([&](Done<Boundary> done) {
                    api.read_boundary(0, boundary_query(workload.boundaries - 1), Position(),
                                      std::move(done));
                  }));
  if (last.positions.size() >= workload.boundary_events) return {};
  const auto all = workload.boundaries * workload.boundary_events;
  EventMaker maker(workload, 0);
  return append_all(
      api, (all + preload_batch - 1) / preload_batch,
      [&](std::uint64_t i) {
        std::vector<Event> events;
        const auto end = std::min(all, (i + 1) * preload_batch);
        for (auto n = i * preload_batch; n < end; ++n) {
          events.push_back(maker.in_boundary(n % workload.boundaries));
        }
        return events;
      },
      [](std::uint64_t) {});
}

Result<void> read_everything(Api& api, const Load& load, std::size_t batch, const Clock& clock,
                             std::stop_token stop, Measured& measured) {
  const auto counts_from =
      clock.instant() + std::chrono::duration_cast<Instant::duration>(load.warm_up);
  const auto ends = counts_from + std::chrono::duration_cast<Instant::duration>(load.seconds);
  std::atomic<std::uint64_t> events = 0, reads = 0;
  std::mutex mutex;
  std::optional<Error> error;
  const auto read = [&](std::size_t client) {
    while (clock.instant() < ends && !stop.stop_requested()) {
      const auto began = clock.instant();
      bool first = true;
      const auto done = api.read_all(client, batch, [&](std::size_t count) {
        const auto now = clock.instant();
        if (now >= counts_from && now < ends) {
          events.fetch_add(count, std::memory_order_relaxed);
          if (first) {
            measured.latencies.add(now - began);
            reads.fetch_add(1, std::memory_order_relaxed);
          }
        }
        first = false;
        return now < ends && !stop.stop_requested();
      });
      if (done) continue;
      const std::lock_guard lock(mutex);
      if (!error) error = done.error();
      return;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < load.clients; ++i) threads.emplace_back(read, i);
  }
  measured.seconds = counted(load, counts_from, clock.instant());
  measured.operations = reads;
  measured.events = events;
  if (error) return *error;
  if (stop.stop_requested()) return cancelled();
  return {};
}

namespace {

/// Counts the subscribers that have reached a position.
class Arrivals {
 public:
  explicit Arrivals(std::size_t subscribers) : seen_(subscribers) {}

  void expect(Position target) {
    const std::lock_guard lock(mutex_);
    target_ = target;
    reached_ = static_cast<std::size_t>(
        std::count_if(seen_.begin(), seen_.end(), [&](Position seen) { return seen >= target; }));
  }

  void arrived(std::size_t subscriber, const Result<Position>& position) {
    const std::lock_guard lock(mutex_);
    if (!position) {
      error_ = position.error();
      changed_.notify_all();
      return;
    }
    auto& seen = seen_[subscriber];
    if (seen < target_ && *position >= target_ && ++reached_ == seen_.size()) {
      changed_.notify_all();
    }
    seen = std::max(seen, *position);
  }

  Result<void> wait(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return reached_ == seen_.size() || error_; });
    if (error_) return *error_;
    if (stop.stop_requested()) return cancelled();
    return {};
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Position> seen_;
  Position target_ = position_max;
  std::size_t reached_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<void> notify_subscribers(Api& api, const Workload& workload, const Load& load,
                                std::size_t batch, const Clock& clock, std::stop_token stop,
                                Measured& measured) {
  WEIR_TRY_ASSIGN(head, api.head());
  Arrivals arrivals(load.clients);
  std::vector<std::unique_ptr<Listener>> listeners;
  for (std::size_t i = 0; i < load.clients; ++i) {
    WEIR_TRY_ASSIGN(listener, api.listen(i, head, [&arrivals, i](const Result<Position>& position) {
      arrivals.arrived(i, position);
    }));
    listeners.push_back(std::move(listener));
  }
  EventMaker maker(workload, 0);
  const auto append = [&]() -> Result<void> {
    arrivals.expect(Position(head.value + batch));
    WEIR_TRY_ASSIGN(appended, api.append(0, {.events = maker.next(batch)}));
    head = appended;
    return arrivals.wait(stop);
  };
  // Once all have the first append, all are subscribed.
  WEIR_TRY(append());
  const auto counts_from =
      clock.instant() + std::chrono::duration_cast<Instant::duration>(load.warm_up);
  const auto ends = counts_from + std::chrono::duration_cast<Instant::duration>(load.seconds);
  Result<void> appended;
  while (true) {
    const auto began = clock.instant();
    if (began >= ends) break;
    appended = append();
    if (!appended) break;
    if (began < counts_from) continue;
    measured.latencies.add(clock.instant() - began);
    ++measured.operations;
    measured.events += batch;
  }
  measured.seconds = counted(load, counts_from, clock.instant());
  return appended;
}

}  // namespace weir::bench
