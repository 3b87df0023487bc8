#include <cstdlib>

#include <bench/case.hpp>
#include <bench/in_process.hpp>
#include <bench/raw_postgres.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/open.hpp>

namespace weir::bench {
namespace {

using Seconds = std::chrono::duration<double>;

Result<double> raw_rate(RawPostgres& raw, const Context& context) {
  const auto began = context.clock.instant();
  const auto ends = began + std::chrono::duration_cast<Instant::duration>(context.seconds());
  std::uint64_t done = 0;
  while (context.clock.instant() < ends) {
    WEIR_TRY(raw.commit(64));
    done += 64;
  }
  return static_cast<double>(done) / Seconds(context.clock.instant() - began).count();
}

Result<Figures> concurrent(Context& context, bool blocking) {
  testing_support::PostgresCluster cluster({.fsync = true, .folder = context.folder.string()});
  WEIR_TRY_ASSIGN(raw, RawPostgres::create(cluster.new_database()));
  WEIR_TRY_ASSIGN(store, weir::open(cluster.new_database()));
  auto api = make_weir_api(store);
  return alternate(
      context.rounds(), [&] { return raw_rate(*raw, context); },
      [&] { return conditional_appends(*api, {.clients = 64, .blocking = blocking}, context); });
}

/// Reads of some 25 events by their tag, one after the other: how many a second.
Result<double> boundary_reads(EventStore& store, const Context& context) {
  const auto began = context.clock.instant();
  const auto ends = began + std::chrono::duration_cast<Instant::duration>(context.seconds());
  std::uint64_t done = 0;
  while (context.clock.instant() < ends) {
    const auto query = Query{}.tagged(tag_of_boundary(done * 7 % 100));
    WEIR_TRY_ASSIGN(known, store.read({.query = query}).collect());
    if (known.events.empty()) return internal_bug("an empty boundary");
    ++done;
  }
  return static_cast<double>(done) / Seconds(context.clock.instant() - began).count();
}

Result<Figures> auto_prepare(Context& context) {
  testing_support::PostgresCluster cluster({.folder = context.folder.string()});
  const auto uri = cluster.new_database();
  OpenOptions without;
  without.postgres.pool.auto_prepare_max = 0;
  WEIR_TRY_ASSIGN(off, weir::open(uri, without));
  WEIR_TRY_ASSIGN(on, weir::open(uri));
  WEIR_TRY(fill(*off, 100'000, context));
  return alternate(
      context.rounds(), [&] { return boundary_reads(*off, context); },
      [&] { return boundary_reads(*on, context); });
}

}  // namespace

std::vector<Case> postgres_cases() {
  return {
      {"PostgreSQL, conditional, 64 concurrent callers: threads", "events/s", 0.5,
       [](Context& c) { return concurrent(c, true); }},
      {"PostgreSQL, conditional, 64 concurrent callers: asynchronous", "events/s", 0.5,
       [](Context& c) { return concurrent(c, false); }},
      {"PostgreSQL, auto-prepare on, of off: reads of 25 events by tag", "reads/s", 1,
       auto_prepare},
  };
}

}  // namespace weir::bench
