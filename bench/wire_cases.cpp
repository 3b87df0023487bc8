#include <atomic>
#include <thread>

#include <fmt/format.h>

#include <bench/case.hpp>
#include <bench/in_process.hpp>
#include <bench/process.hpp>
#include <bench/raw_grpc.hpp>
#include <weir/open.hpp>

namespace weir::bench {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr std::uint64_t events_read = 1'000'000;
constexpr std::size_t batch = 1000;

/// As a client of umadb.v1 has them.
constexpr std::size_t clients_a_connection = 4;

struct RawServer {
  std::unique_ptr<ServerProcess> process;
  std::unique_ptr<RawGrpc> client;
  std::vector<std::unique_ptr<RawGrpc>> more;
};

Result<RawServer> start_raw(std::size_t connections = 1) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error) return unavailable("/proc/self/exe can't be read");
  RawServer raw;
  WEIR_TRY_ASSIGN(process, ServerProcess::start({self, "raw-grpc"}));
  WEIR_TRY_ASSIGN(client, RawGrpc::connect(process->first_line()));
  raw.process = std::move(process);
  raw.client = std::move(client);
  while (raw.more.size() + 1 < connections) {
    WEIR_TRY_ASSIGN(another, RawGrpc::connect(raw.process->first_line()));
    raw.more.push_back(std::move(another));
  }
  return raw;
}

/// A server on the log that Context::sustained() left, and a client of it.
struct ManyServed {
  WeirServer server;
  std::shared_ptr<EventStore> store;
};

Result<ManyServed> serve_many(Context& context) {
  WEIR_TRY_ASSIGN(sustained, context.sustained());
  WEIR_TRY_ASSIGN(server, serve(context.program, sustained.store));
  WEIR_TRY_ASSIGN(store, weir::open("weir://" + server.target));
  return ManyServed{.server = std::move(server), .store = std::move(store)};
}

/// Reads the first events, looks at each; the number seen.
Result<std::uint64_t> read_events(EventStore& store) {
  auto stream = store.read({.until = Position(events_read), .batch_events_max = batch});
  std::uint64_t seen = 0;
  while (true) {
    WEIR_TRY_ASSIGN(step, stream.next());
    if (!step) return seen;
    for (const auto& event : step->batch) seen += event.data().empty() ? 0 : 1;
  }
}

Result<Figures> session(Context& context) {
  WEIR_TRY_ASSIGN(inside, weir::open("sqlite:" + context.path("session-inside.db")));
  WEIR_TRY_ASSIGN(server, serve(context.program, "sqlite:" + context.path("session.db")));
  WEIR_TRY_ASSIGN(remote, weir::open("weir://" + server.target));
  auto api_inside = make_weir_api(inside);
  auto api_remote = make_weir_api(remote);
  return alternate(
      context.rounds(), [&] { return conditional_appends(*api_inside, {}, context); },
      [&] { return conditional_appends(*api_remote, {}, context); });
}

/// Unary calls, a connection for every four clients, that do nothing; and that append.
Result<Figures> unary(Context& context, std::size_t clients) {
  const auto connections = (clients + clients_a_connection - 1) / clients_a_connection;
  WEIR_TRY_ASSIGN(raw, start_raw(connections));
  WEIR_TRY_ASSIGN(server, serve(context.program,
                                "sqlite:" + context.path(fmt::format("unary-{}.db", clients))));
  WEIR_TRY_ASSIGN(api, make_umadb_api(server.target, clients));
  return alternate(
      context.rounds(),
      [&]() -> Result<double> {
        Measured measured;
        WEIR_TRY(drive(
            {.clients = clients, .warm_up = Seconds(0.1), .seconds = context.seconds()},
            [&](std::size_t client, Done<Outcome> done) {
              const auto at = client / clients_a_connection;
              auto& connection = at == 0 ? *raw.client : *raw.more[at - 1];
              connection.call([done = std::move(done)](Result<void> called) mutable {
                if (!called) return done(called.error());
                done(Outcome{.events = 1});
              });
            },
            context.clock, {}, measured));
        return measured.events_per_second();
      },
      [&] { return conditional_appends(*api, {.clients = clients}, context); });
}

/// Two servers, one that bounds nothing and one that counts each client's calls and bytes.
Result<Figures> admission(Context& context) {
  WEIR_TRY_ASSIGN(off,
                  serve(context.program, "sqlite:" + context.path("admission-off.db"),
                        {"WEIR_ADMISSION_CALLS_AT_ONCE=0", "WEIR_ADMISSION_STREAMS_AT_ONCE=0"}));
  WEIR_TRY_ASSIGN(
      on, serve(context.program, "sqlite:" + context.path("admission-on.db"),
                {"WEIR_ADMISSION_CLIENT_CALLS=10000000", "WEIR_ADMISSION_CLIENT_STREAMS=10000000",
                 "WEIR_ADMISSION_CLIENT_KIBIBYTES=10000000"}));
  WEIR_TRY_ASSIGN(store_off, weir::open("weir://" + off.target));
  WEIR_TRY_ASSIGN(store_on, weir::open("weir://" + on.target));
  return compare_appends(store_off, store_on, context);
}

Result<double> rate_of(const Context& context, const std::function<Result<std::uint64_t>()>& read) {
  const auto began = context.clock.instant();
  WEIR_TRY_ASSIGN(events, read());
  if (events != events_read) {
    return internal_bug(fmt::format("read {} events of {}", events, events_read));
  }
  return static_cast<double>(events) / Seconds(context.clock.instant() - began).count();
}

Result<Figures> read_everything_batched(Context& context) {
  WEIR_TRY_ASSIGN(raw, start_raw());
  WEIR_TRY_ASSIGN(many, serve_many(context));
  return alternate(
      context.rounds(),
      [&] { return rate_of(context, [&] { return raw.client->stream(events_read); }); },
      [&] { return rate_of(context, [&] { return read_events(*many.store); }); });
}

Result<double> median_us(const Context& context, int times,
                         const std::function<Result<void>()>& work) {
  Latencies latencies;
  for (int i = 0; i < times; ++i) {
    const auto began = context.clock.instant();
    WEIR_TRY(work());
    latencies.add(context.clock.instant() - began);
  }
  return static_cast<double>(latencies.at(0.5).count()) / 1000;
}

Result<Figures> first_event(Context& context) {
  WEIR_TRY_ASSIGN(raw, start_raw());
  WEIR_TRY_ASSIGN(many, serve_many(context));
  return alternate_less(
      context.rounds(), [&] { return median_us(context, 500, [&] { return raw.client->call(); }); },
      [&]() -> Result<double> {
        Latencies latencies;
        for (int i = 0; i < 200; ++i) {
          // What followed the first batch was cancelled; a round trip lets the server settle.
          WEIR_TRY(many.store->head());
          const auto began = context.clock.instant();
          auto stream = many.store->read({});
          WEIR_TRY_ASSIGN(step, stream.next());
          if (!step || step->batch.empty()) return internal_bug("no first event");
          latencies.add(context.clock.instant() - began);
        }
        return static_cast<double>(latencies.at(0.5).count()) / 1000;
      });
}

Result<Figures> memory_growth(Context& context) {
  WEIR_TRY_ASSIGN(many, serve_many(context));
  WEIR_TRY_ASSIGN(before, many.server.process->resident_mib());
  std::atomic<bool> done = false;
  std::atomic<double> most = before;
  std::jthread watch([&] {
    while (!done) {
      const auto now = many.server.process->resident_mib();
      if (now && *now > most) most = *now;
      std::this_thread::yield();
    }
  });
  const auto read = read_events(*many.store);
  done = true;
  watch.join();
  if (!read) return read.error();
  constexpr double limit_mib = 64;
  const auto grown = std::max(most - before, 0.1);
  return Figures{.raw = limit_mib, .weir = grown, .ratio = limit_mib / grown};
}

/// Events a second that so many readers of the whole log get together.
Result<double> streams_rate(Api& api, std::size_t clients, const Context& context) {
  Measured measured;
  WEIR_TRY(read_everything(api,
                           {.clients = clients,
                            .warm_up = Seconds(clients == 1 ? 0.2 : 0.5),
                            .seconds = context.seconds()},
                           batch, context.clock, {}, measured));
  return measured.events_per_second();
}

Result<Figures> streams(Context& context, std::size_t clients) {
  WEIR_TRY_ASSIGN(many, serve_many(context));
  auto api = make_weir_api(many.store);
  return alternate(
      context.rounds(), [&] { return streams_rate(*api, 1, context); },
      [&] { return streams_rate(*api, clients, context); });
}

}  // namespace

std::vector<Case> wire_cases() {
  return {
      {"session, 64 outstanding, conditional, SQLite", "events/s", 0.6, session},
      {"unary calls that append, 1 client, of calls that do nothing", "calls/s", 0.25,
       [](Context& c) { return unary(c, 1); }},
      {"unary calls that append, 8 clients, of calls that do nothing", "calls/s", 0.2,
       [](Context& c) { return unary(c, 8); }},
      {"unary calls that append, 64 clients, of calls that do nothing", "calls/s", 0.4,
       [](Context& c) { return unary(c, 64); }},
      {"admission by client on, of off: session, 64 outstanding, SQLite", "events/s", 0.97,
       admission},
      {"read everything over gRPC, batched", "events/s", 0.5, read_everything_batched},
      {"time to the first event of a read: p50", "us", 0.5, first_event},
      {"server memory while one client reads 1,000,000 events: growth", "MiB", 1, memory_growth},
      {"50 concurrent reading streams together", "events/s", 0.95,
       [](Context& c) { return streams(c, 50); }},
      {"200 concurrent reading streams together", "events/s", 0.9,
       [](Context& c) { return streams(c, 200); }},
  };
}

}  // namespace weir::bench
