#pragma once

#include <apps/weir/bench_operations.hpp>
#include <bench/case.hpp>

namespace weir::bench {

struct Callers {
  std::size_t clients = 64;
  /// A thread for each caller, instead of asynchronous calls.
  bool blocking = false;
};

/// Conditional appends of one event: how many a second.
Result<double> conditional_appends(Api& api, Callers callers, const Context& context);

/// The same to each of two stores in turn.
Result<Figures> compare_appends(const std::shared_ptr<EventStore>& raw,
                                const std::shared_ptr<EventStore>& weir, const Context& context);

/// Makes the events of a log of a size: 2500 of them are in 100 boundaries, spread evenly.
class Filler {
 public:
  Filler(const Context& context, std::uint64_t events);
  std::vector<Event> next(std::size_t count);

 private:
  EventMaker maker_;
  std::uint64_t every_;
  std::uint64_t made_ = 0;
};

/// Appends so many of them.
Result<void> fill(EventStore& store, std::uint64_t events, const Context& context);

}  // namespace weir::bench
