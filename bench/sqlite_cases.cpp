#include <fmt/format.h>

#include <algorithm>

#include <apps/weir/bench_operations.hpp>
#include <bench/case.hpp>
#include <bench/in_process.hpp>
#include <bench/raw_sqlite.hpp>
#include <bench/timed_vfs.hpp>
#include <weir/open.hpp>
#include <weir/store/sqlite/store.hpp>

namespace weir::bench {
namespace {

using Seconds = std::chrono::duration<double>;

/// Events a second that raw commits of a size reach.
Result<double> raw_rate(RawSqlite& raw, std::size_t events, const Context& context) {
  const auto began = context.clock.instant();
  const auto ends = began + std::chrono::duration_cast<Instant::duration>(context.seconds());
  std::uint64_t done = 0;
  while (context.clock.instant() < ends) {
    WEIR_TRY(raw.commit(events));
    done += events;
  }
  return static_cast<double>(done) / Seconds(context.clock.instant() - began).count();
}

Result<Figures> concurrent(Context& context, bool blocking) {
  const std::string name = blocking ? "64-threads" : "64-outstanding";
  WEIR_TRY_ASSIGN(raw, RawSqlite::create(context.path(name + "-raw.db")));
  WEIR_TRY_ASSIGN(store, weir::open("sqlite:" + context.path(name + ".db")));
  auto api = make_weir_api(store);
  return alternate(
      context.rounds(), [&] { return raw_rate(*raw, 64, context); },
      [&] { return conditional_appends(*api, {.clients = 64, .blocking = blocking}, context); });
}

Result<Figures> one_caller(Context& context) {
  WEIR_TRY_ASSIGN(raw, RawSqlite::create(context.path("one-raw.db")));
  WEIR_TRY_ASSIGN(store, weir::open("sqlite:" + context.path("one.db")));
  auto api = make_weir_api(store);
  return alternate_less(
      context.rounds(),
      [&]() -> Result<double> {
        Measured measured;
        WEIR_TRY(drive_blocking(
            {.clients = 1, .warm_up = Seconds(0), .seconds = context.seconds()},
            [&](std::size_t) -> Result<Outcome> {
              WEIR_TRY(raw->commit(1));
              return Outcome{.events = 1};
            },
            context.clock, {}, measured));
        return static_cast<double>(measured.latencies.at(0.5).count()) / 1000;
      },
      [&]() -> Result<double> {
        WEIR_TRY_ASSIGN(head, api->head());
        Appends appends(*api, context.workload, 1, {.condition = true}, head);
        Measured measured;
        WEIR_TRY(drive_blocking(
            {.clients = 1, .warm_up = Seconds(0), .seconds = context.seconds()},
            [&](std::size_t client) { return appends.run(client); }, context.clock, {}, measured));
        return static_cast<double>(measured.latencies.at(0.5).count()) / 1000;
      });
}

/// Times what a conditional append, and a read of 25 events by tag, take on one log.
class OnOneLog {
 public:
  OnOneLog(std::shared_ptr<EventStore> store, const Context& context)
      : store_(std::move(store)), context_(context), maker_(context.workload, 77) {}

  /// Median microseconds of an append on condition that a tag was never used.
  Result<double> append() {
    return timed(200, [&](std::uint64_t i) -> Result<void> {
      AppendRequest request;
      request.events.push_back(maker_.next());
      request.condition = {.fail_if_events_match = Query{}.tagged(fmt::format("never:{}", i))};
      WEIR_TRY(store_->append(std::move(request)));
      return {};
    });
  }

  Result<double> read() {
    return timed(1000, [&](std::uint64_t i) -> Result<void> {
      auto stream = store_->read({.query = Query{}.tagged(tag_of_boundary(i * 7 % 100))});
      std::size_t events = 0;
      while (true) {
        WEIR_TRY_ASSIGN(step, stream.next());
        if (!step) break;
        events += step->batch.size();
      }
      if (events == 25) return {};
      return internal_bug(fmt::format("a boundary of 25 events had {}", events));
    });
  }

 private:
  Result<double> timed(std::uint64_t times,
                       const std::function<Result<void>(std::uint64_t)>& work) {
    Latencies latencies;
    for (std::uint64_t i = 0; i < times; ++i) {
      const auto began = context_.clock.instant();
      WEIR_TRY(work(i));
      latencies.add(context_.clock.instant() - began);
    }
    return static_cast<double>(latencies.at(0.5).count()) / 1000;
  }

  std::shared_ptr<EventStore> store_;
  const Context& context_;
  EventMaker maker_;
};

Result<Figures> few_and_many(Context& context, Result<double> (OnOneLog::*measure)()) {
  WEIR_TRY_ASSIGN(sustained, context.sustained());
  WEIR_TRY_ASSIGN(many, weir::open(sustained.store));
  const auto path = context.path("few.db");
  const bool there = std::filesystem::exists(path);
  WEIR_TRY_ASSIGN(few, weir::open("sqlite:" + path));
  if (!there) WEIR_TRY(fill(*few, 10'000, context));
  OnOneLog on_few(few, context), on_many(many, context);
  return alternate_less(
      context.rounds(), [&] { return (on_few.*measure)(); }, [&] { return (on_many.*measure)(); });
}

}  // namespace

namespace {

/// Raw commits of 1000 events; how long they took.
Result<Seconds> raw_slice(RawSqlite& raw, std::uint64_t events, const Clock& clock) {
  const auto began = clock.instant();
  for (std::uint64_t i = 0; i < events; i += 1000) WEIR_TRY(raw.commit(1000));
  return Seconds(clock.instant() - began);
}

Result<Seconds> weir_slice(EventStore& store, Filler& filler, std::uint64_t events,
                           const Clock& clock, Latencies& waits) {
  const auto began = clock.instant();
  for (std::uint64_t i = 0; i < events; i += 1000) {
    auto batch = filler.next(1000);
    const auto synced_before = wal_sync_time();
    const auto append_began = clock.instant();
    WEIR_TRY(store.append({.events = std::move(batch)}));
    waits.add(clock.instant() - append_began - (wal_sync_time() - synced_before));
  }
  return Seconds(clock.instant() - began);
}

}  // namespace

Result<Context::Sustained> Context::sustained() {
  if (sustained_) return *sustained_;
  Sustained result;
  result.store = "sqlite:" + path("sustained.db");
  WEIR_TRY_ASSIGN(raw, RawSqlite::create(path("sustained-raw.db")));
  WEIR_TRY_ASSIGN(catalog, sqlite::Store::open({.path = path("sustained.db"), .vfs = timed_vfs()},
                                               std::make_shared<engine::Threads>()));
  WEIR_TRY_ASSIGN(store, catalog->open("default", {}));
  Filler filler(*this, many_events());
  Seconds raw_time{}, weir_time{};
  Latencies waits;
  const std::uint64_t slice = many_events() / 20;
  for (std::uint64_t at = 0; at < many_events(); at += slice) {
    WEIR_TRY_ASSIGN(of_raw, raw_slice(*raw, slice, clock));
    WEIR_TRY_ASSIGN(of_weir, weir_slice(*store, filler, slice, clock, waits));
    raw_time += of_raw;
    weir_time += of_weir;
  }
  const auto events = static_cast<double>(many_events());
  result.raw_events_per_second = events / raw_time.count();
  result.weir_events_per_second = events / weir_time.count();
  result.longest_wait_ms = static_cast<double>(waits.max().count()) / 1e6;
  raw.reset();
  for (const auto* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path("sustained-raw.db") + suffix);
  }
  sustained_ = result;
  return result;
}

std::vector<Case> sqlite_cases(const Context& context) {
  return {
      {"SQLite in-process, conditional, 64 concurrent callers, 1 event each: threads", "events/s",
       0.5, [](Context& c) { return concurrent(c, true); }},
      {"SQLite in-process, conditional, 64 concurrent callers, 1 event each: asynchronous",
       "events/s", 0.5, [](Context& c) { return concurrent(c, false); }},
      {"SQLite in-process, one caller, conditional: p50", "us", 1 / 1.3, one_caller},
      {"SQLite in-process, 1000 events an append, sustained to " + how_many(context), "events/s",
       0.6,
       [](Context& c) -> Result<Figures> {
         WEIR_TRY_ASSIGN(s, c.sustained());
         return Figures{.raw = s.raw_events_per_second,
                        .weir = s.weir_events_per_second,
                        .ratio = s.weir_events_per_second / s.raw_events_per_second};
       }},
      {"no append waits over 50 ms for the index: longest, to " + how_many(context), "ms", 1,
       [](Context& c) -> Result<Figures> {
         WEIR_TRY_ASSIGN(s, c.sustained());
         constexpr double limit_ms = 50;
         return Figures{
             .raw = limit_ms, .weir = s.longest_wait_ms, .ratio = limit_ms / s.longest_wait_ms};
       }},
      {"append condition on " + how_many(context) + " events against 10,000: p50", "us", 1 / 1.3,
       [](Context& c) { return few_and_many(c, &OnOneLog::append); }},
      {"tag read on " + how_many(context) + " events against 10,000: p50", "us", 1 / 1.3,
       [](Context& c) { return few_and_many(c, &OnOneLog::read); }},
  };
}

}  // namespace weir::bench
