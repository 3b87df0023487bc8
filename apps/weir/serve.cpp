#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/program.hpp>
#include <weir/server/service.hpp>

namespace weir::cli {
namespace {

struct Options {
  std::string store = "sqlite:data/default.db";
  std::string grpc = "127.0.0.1:50051";
  std::string http = "127.0.0.1:8080";
  double grace_seconds = 10;
  bool json = false;
  OpenOptions open = {};
};

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

/// Logs go to standard error, so that what scripts read stays clean.
void log_to_stderr() {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("weir"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
}

Result<Exit> serve(const Options& options, Program& program) {
  log_to_stderr();
  const auto stop = program.interrupted();
  WEIR_TRY_ASSIGN(catalog, program.open_catalog(options.store, options.open));
  WEIR_TRY_ASSIGN(log, catalog->open("default", {}));
  WEIR_TRY_ASSIGN(head, log->head());
  WEIR_TRY_ASSIGN(service, server::Service::start(
                               catalog, {.grpc_address = options.grpc,
                                         .http_address = options.http}));
  Output out(program.out);
  if (options.json) {
    out.write(fmt::format("{{\"grpc\":\"{}\",\"http\":\"{}\",\"head\":{}}}\n",
                          service->grpc_address(), service->http_address(), head.value));
  } else {
    out.write(fmt::format("  weir {}   store {}   {} events\n", WEIR_VERSION, options.store,
                          head.value));
    out.write(fmt::format("  gRPC {}   HTTP http://{}   API http://{}/docs\n",
                          service->grpc_address(), service->http_address(),
                          service->http_address()));
  }
  WEIR_TRY(out.finish());
  std::fflush(program.out);
  wait_for(stop);
  spdlog::info("stopping: finishing what was accepted");
  service->shut_down(std::chrono::milliseconds(
      static_cast<std::int64_t>(options.grace_seconds * 1000)));
  log.reset();
  catalog.reset();
  spdlog::info("stopped");
  return Exit::fine;
}

/// One option for each limit, named like it.
void add_limits(CLI::App& app, OpenOptions& to) {
  const auto add = [&](std::string_view name, std::string_view what, std::size_t& field,
                       std::size_t min, std::size_t max) {
    std::string option = "--" + std::string(name);
    std::replace(option.begin(), option.end(), '_', '-');
    app.add_option(option, field, fmt::format("{}, {} to {}", what, min, max))
        ->check(CLI::Range(min, max))
        ->type_name("NUMBER")
        ->capture_default_str()
        ->group("Limits");
  };
  for (const auto& range : limit_ranges()) {
    add(range.name, range.what, to.limits.*range.field, range.min, range.max);
  }
  add("queue_max", "Appends that may wait", to.queue_max, 1, OpenOptions::queue_highest);
  add("queue_bytes_max", "Bytes of the events that may wait", to.queue_bytes_max,
      OpenOptions::queue_bytes_lowest, OpenOptions::queue_bytes_highest);
}

}  // namespace

Run define_serve(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  app.add_option("--store", options->store,
                 "sqlite:PATH, made when it is not there, or postgres://...")
      ->capture_default_str();
  app.add_option("--grpc", options->grpc, "HOST:PORT for gRPC; port 0 for any free one")
      ->capture_default_str();
  app.add_option("--http", options->http,
                 "HOST:PORT for REST, SSE, gRPC-Web and /docs; port 0 for any free one")
      ->capture_default_str();
  app.add_option("--grace", options->grace_seconds,
                 "Seconds that what was accepted may take to finish after SIGTERM")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_flag("--json", options->json, "Print the addresses as a JSON object");
  add_limits(app, options->open);
  return [options, &program] { return serve(*options, program); };
}

}  // namespace weir::cli
