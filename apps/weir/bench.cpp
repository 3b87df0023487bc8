#include <fmt/format.h>

#include <apps/weir/bench_operations.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/progress.hpp>

namespace weir::cli {
namespace {

using bench::Measured;

struct Options {
  std::string what;
  StoreOptions store;
  std::string api = "weir";
  std::size_t clients = 1;
  std::optional<std::uint64_t> batch;
  std::optional<std::uint64_t> events;
  bool condition = false;
  bool blocking = false;
  double seconds = 5;
  double warm_up_seconds = 1;
  bench::Workload workload;
  bool json = false;

  bench::Load load() const {
    return {.clients = clients,
            .warm_up = std::chrono::duration<double>(warm_up_seconds),
            .seconds = std::chrono::duration<double>(seconds)};
  }
};

/// A run in progress: what the options name, opened.
struct Measurement {
  const Options& options;
  Program& program;
  bench::Api& api;
  std::stop_token stop;
  Measured measured;
  double boundary_events = 0;
};

Result<std::unique_ptr<bench::Api>> open_api(const Options& options, Program& program) {
  if (options.api == "umadb") {
    if (options.store.in_process()) {
      return invalid_field("--store", "--api umadb needs a server: use --target");
    }
    WEIR_TRY_ASSIGN(credentials, options.store.credentials.read(program));
    if (credentials.tls || !credentials.token.empty()) {
      return invalid_field("--api", "umadb is spoken here in plain text and without a token");
    }
    program.target = options.store.target;
    return bench::make_umadb_api(options.store.target, options.clients);
  }
  WEIR_TRY_ASSIGN(store, options.store.open(program, StoreOptions::Missing::file_is_made));
  return bench::make_weir_api(std::move(store));
}

Result<void> preload(Measurement& run) {
  if (!run.options.events) return {};
  Progress progress(run.program, "loading", "events");
  return bench::preload(run.api, run.options.workload, *run.options.events,
                        [&](std::uint64_t done) { progress.show(done, *run.options.events); });
}

Result<void> append(Measurement& run) {
  WEIR_TRY_ASSIGN(head, run.api.head());
  const auto& options = run.options;
  bench::Appends appends(run.api, options.workload, options.clients,
                         {.batch = options.batch.value_or(1), .condition = options.condition},
                         head);
  if (options.blocking) {
    return bench::drive_blocking(
        options.load(), [&](std::size_t client) { return appends.run(client); }, *run.program.clock,
        run.stop, run.measured);
  }
  return bench::drive(
      options.load(),
      [&](std::size_t client, Done<bench::Outcome> done) {
        appends.begin(client, std::move(done));
      },
      *run.program.clock, run.stop, run.measured);
}

Result<void> decide(Measurement& run) {
  const auto& options = run.options;
  WEIR_TRY(bench::preload_boundaries(run.api, options.workload));
  bench::Decisions decisions(run.api, options.workload, options.clients);
  WEIR_TRY(decisions.find_boundaries());
  std::atomic<std::uint64_t> all = 0;
  const auto driven = bench::drive(
      options.load(),
      [&](std::size_t client, Done<bench::Outcome> done) {
        all.fetch_add(1, std::memory_order_relaxed);
        decisions.begin(client, std::move(done));
      },
      *run.program.clock, run.stop, run.measured);
  run.boundary_events = static_cast<double>(decisions.events_read()) /
                        static_cast<double>(std::max<std::uint64_t>(all, 1));
  return driven;
}

Result<void> run_what(Measurement& run) {
  const auto& options = run.options;
  const auto& clock = *run.program.clock;
  WEIR_TRY(preload(run));
  if (options.what == "append") return append(run);
  if (options.what == "decide") return decide(run);
  if (options.what == "read") {
    return bench::read_everything(run.api, options.load(), options.batch.value_or(1000), clock,
                                  run.stop, run.measured);
  }
  return bench::notify_subscribers(run.api, options.workload, options.load(),
                                   options.batch.value_or(1), clock, run.stop, run.measured);
}

double microseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}

std::string json_of(const Measurement& run) {
  const auto& options = run.options;
  const auto& measured = run.measured;
  const auto& latencies = measured.latencies;
  return fmt::format(
      R"({{"what":"{}","api":"{}","clients":{},"batch":{},"condition":{},"seconds":{:.3f},)"
      R"("operations":{},"events":{},"refused":{},"boundaryEvents":{:.1f},)"
      R"("operationsPerSecond":{:.1f},"eventsPerSecond":{:.1f},)"
      R"("microseconds":{{"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"max":{:.1f}}}}})"
      "\n",
      options.what, options.api, options.clients,
      options.batch.value_or(options.what == "read" ? 1000 : 1),
      options.condition || options.what == "decide", measured.seconds.count(), measured.operations,
      measured.events, measured.refused, run.boundary_events, measured.operations_per_second(),
      measured.events_per_second(), microseconds(latencies.at(0.5)),
      microseconds(latencies.at(0.9)), microseconds(latencies.at(0.99)),
      microseconds(latencies.max()));
}

const char* meaning_of_latency(const std::string& what) {
  if (what == "read") return "to the first event";
  if (what == "subscribe") return "until all subscribers have it";
  return "each";
}

std::string text_of(const Measurement& run) {
  const auto& measured = run.measured;
  const auto& latencies = measured.latencies;
  auto text = fmt::format("{} by {} clients: {:.0f} a second, {:.0f} events/s, {} refused\n",
                          run.options.what, run.options.clients, measured.operations_per_second(),
                          measured.events_per_second(), measured.refused);
  text += fmt::format("  {}: p50 {:.0f} us, p90 {:.0f} us, p99 {:.0f} us, max {:.0f} us\n",
                      meaning_of_latency(run.options.what), microseconds(latencies.at(0.5)),
                      microseconds(latencies.at(0.9)), microseconds(latencies.at(0.99)),
                      microseconds(latencies.max()));
  if (run.options.what == "decide") {
    text += fmt::format("  {:.1f} events read for each\n", run.boundary_events);
  }
  return text;
}

Result<Exit> bench_command(const Options& options, Program& program) {
  WEIR_TRY_ASSIGN(api, open_api(options, program));
  const auto stop = program.interrupted();
  Measurement run{.options = options, .program = program, .api = *api, .stop = stop};
  const auto ran = run_what(run);
  const bool cut_short = !ran && ran.error().code == Code::cancelled && stop.stop_requested();
  if (!ran && !cut_short) return ran.error();
  Output out(program.out);
  // Before its time began there is nothing to tell.
  if (run.measured.seconds.count() > 0) out.write(options.json ? json_of(run) : text_of(run));
  WEIR_TRY_ASSIGN(printed, out.finish());
  if (cut_short) return interrupted();
  return printed;
}

void add_workload(Flags& flags, bench::Workload& workload) {
  flags.add("--tags", workload.tags, "Different tags, of which each event has two")
      .within(1, 100'000'000)
      .shows_default();
  flags
      .add("--boundaries", workload.boundaries,
           "decide: boundaries of 25 events each, appended first unless they are there")
      .within(1, 1'000'000)
      .shows_default();
  flags.add("--seed", workload.seed, "Of the random choices").shows_default();
}

}  // namespace

Run define_bench(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("what", options->what, "append, decide, read or subscribe")
      .required()
      .one_of({"append", "decide", "read", "subscribe"});
  flags.add("--api", options->api, "The protocol: weir, or umadb for any server of umadb.v1")
      .one_of({"weir", "umadb"})
      .shows_default();
  flags.add("--clients", options->clients, "Operations outstanding; readers; subscribers")
      .within(1, 100'000)
      .shows_default();
  flags
      .add("--batch", options->batch,
           "Events of an append (default 1) or of a message of a read (default 1000)")
      .within(1, 10'000);
  flags.add("--condition", options->condition,
            "append: on condition that nothing with the first tag was appended meanwhile");
  flags.add("--blocking", options->blocking,
            "append: a thread for each client, which waits for its answer");
  flags.add("--seconds", options->seconds, "How long to measure")
      .within(0.01, 86400.0)
      .shows_default();
  flags.add("--warm-up", options->warm_up_seconds, "Seconds before that")
      .within(0.0, 3600.0)
      .shows_default();
  flags.add("--events", options->events, "First append until the log has so many events");
  add_workload(flags, options->workload);
  flags.add("--json", options->json, "Print a JSON object");
  options->store.add_to(flags);
  flags.footer(
      "Appends to the log that it measures: use one that may be thrown away.\n"
      "Events have 260 bytes of payload, one of 20 types and two tags. With --api weir all "
      "clients\n"
      "share one session, and N clients are N asynchronous calls outstanding; with --api umadb\n"
      "there is a connection for every four clients.");
  return [options, &program] { return bench_command(*options, program); };
}

}  // namespace weir::cli
