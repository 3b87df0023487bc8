#include <fmt/format.h>

#include <map>
#include <memory>

#include <bench/allocations.hpp>
#include <bench/case.hpp>
#include <weir/base/buffers.hpp>
#include <weir/open.hpp>
#include <weir/server/server.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/sqlite/store.hpp>

namespace weir::bench {
namespace {

using Seconds = std::chrono::duration<double>;

/// What reading some events once takes, with and without pooled buffers.
struct Measures {
  double events_per_second = 0;
  double p99_us = 0;
  double allocations = 0;
  double allocated_kib = 0;
};

/// A server of this process over a store of events with payloads of one size, and a client of it.
class Reads {
 public:
  static Result<std::unique_ptr<Reads>> create(Context& context, std::size_t payload_kib) {
    auto reads = std::unique_ptr<Reads>(new Reads(context));
    const auto name = fmt::format("buffers-{}.db", payload_kib);
    WEIR_TRY_ASSIGN(store, sqlite::Store::open({.path = context.path(name)},
                                               std::make_shared<engine::Threads>()));
    WEIR_TRY_ASSIGN(log, store->open("default", {}));
    const std::string payload = "\"" + std::string(payload_kib * 1024 - 2, 'x') + "\"";
    for (std::uint64_t i = 0; i < events; ++i) {
      WEIR_TRY(log->append({.events = {{.type = "Measured", .data = payload}}}));
    }
    WEIR_TRY_ASSIGN(server, server::Server::start(store, {.grpc_address = "127.0.0.1:0"}));
    reads->server_ = std::move(server);
    WEIR_TRY_ASSIGN(catalog, remote::connect({.target = reads->server_->grpc_address()}));
    WEIR_TRY_ASSIGN(opened, catalog->open("default", {}));
    reads->log_ = std::move(opened);
    return reads;
  }

  /// Reads everything again and again for a round.
  Result<Measures> measure(bool pooled) {
    Buffers::shared().configure(pooled ? BufferOptions() : BufferOptions{.bytes_max = 0});
    WEIR_TRY(read());
    Latencies latencies;
    const CountAllocations counted;
    const auto began = context_.clock.instant();
    const auto ends = began + std::chrono::duration_cast<Instant::duration>(context_.seconds());
    std::uint64_t times = 0;
    while (context_.clock.instant() < ends) {
      const auto one = context_.clock.instant();
      WEIR_TRY(read());
      latencies.add(context_.clock.instant() - one);
      ++times;
    }
    const auto took = Seconds(context_.clock.instant() - began).count();
    const auto allocations = counted.so_far();
    Buffers::shared().configure({});
    const auto count = static_cast<double>(times);
    return Measures{.events_per_second = count * events / took,
                    .p99_us = static_cast<double>(latencies.at(0.99).count()) / 1000,
                    .allocations = static_cast<double>(allocations.count) / count,
                    .allocated_kib = static_cast<double>(allocations.bytes) / count / 1024};
  }

 private:
  static constexpr std::uint64_t events = 64;

  explicit Reads(Context& context) : context_(context) {}

  Result<void> read() {
    auto stream = log_->read({});
    std::uint64_t found = 0;
    while (true) {
      WEIR_TRY_ASSIGN(step, stream.next());
      if (!step) break;
      found += step->batch.size();
    }
    if (found != events) return internal_bug(fmt::format("{} events of {} came", found, events));
    return {};
  }

  Context& context_;
  std::unique_ptr<server::Server> server_;
  std::shared_ptr<EventStore> log_;
};

/// Off and on in turn, measured once for all cases of a size.
struct OffAndOn {
  Measures off, on;
};

Result<OffAndOn> measured(Context& context, std::size_t payload_kib) {
  static std::map<std::size_t, OffAndOn> known;
  if (const auto found = known.find(payload_kib); found != known.end()) return found->second;
  WEIR_TRY_ASSIGN(reads, Reads::create(context, payload_kib));
  std::vector<double> off[4], on[4];
  constexpr double Measures::*fields[4] = {&Measures::events_per_second, &Measures::p99_us,
                                           &Measures::allocations, &Measures::allocated_kib};
  for (int round = 0; round < context.rounds(); ++round) {
    WEIR_TRY_ASSIGN(without, reads->measure(false));
    WEIR_TRY_ASSIGN(with, reads->measure(true));
    for (int i = 0; i < 4; ++i) {
      off[i].push_back(without.*fields[i]);
      on[i].push_back(with.*fields[i]);
    }
  }
  OffAndOn both;
  for (int i = 0; i < 4; ++i) {
    both.off.*fields[i] = median(off[i]);
    both.on.*fields[i] = median(on[i]);
  }
  return known[payload_kib] = both;
}

Case compare(std::size_t payload_kib, const char* what, const char* unit, double Measures::*field,
             bool more_is_better) {
  Case made{.name = fmt::format("buffers pooled, of not: read of 64 events of {} KB: {}",
                                payload_kib, what),
            .unit = unit,
            .at_least = 0.9,
            .measure = [=](Context& context) -> Result<Figures> {
              WEIR_TRY_ASSIGN(both, measured(context, payload_kib));
              const double off = both.off.*field, on = both.on.*field;
              return Figures{.raw = off, .weir = on, .ratio = more_is_better ? on / off : off / on};
            }};
  return made;
}

}  // namespace

std::vector<Case> buffer_cases() {
  std::vector<Case> cases;
  for (const std::size_t kib : {1, 10, 100}) {
    cases.push_back(compare(kib, "throughput", "events/s", &Measures::events_per_second, true));
    cases.push_back(compare(kib, "p99", "us", &Measures::p99_us, false));
    cases.push_back(compare(kib, "allocations a read", "", &Measures::allocations, false));
    cases.push_back(compare(kib, "allocated a read", "KiB", &Measures::allocated_kib, false));
  }
  return cases;
}

}  // namespace weir::bench
