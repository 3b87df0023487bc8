#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/program.hpp>
#include <weir/server/log_format.hpp>
#include <weir/server/reporting.hpp>
#include <weir/server/service.hpp>

namespace weir::cli {
namespace {

struct Options {
  std::string store = "sqlite:data/default.db";
  std::string grpc = "127.0.0.1:50051";
  std::string http = "127.0.0.1:8080";
  double grace_seconds = 10;
  bool trace_statements = false;
  std::string log_format = "text";
  std::string log_level = "info";
  std::string preset = "production";
  double wait_seconds = 0;
  bool json = false;
  OpenOptions open = {};
};

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [] { return false; });
}

/// Null for a file: nothing there can be away.
Result<std::shared_ptr<resilient::Shield>> make_shield(const Options& options,
                                                       const server::Reporting& reporting) {
  WEIR_TRY_ASSIGN(strategies, resilient::preset(options.preset));
  if (options.store.starts_with("sqlite:")) return std::shared_ptr<resilient::Shield>();
  strategies.listener = reporting.resilience_listener();
  return resilient::Shield::create(std::move(strategies));
}

Result<std::shared_ptr<Catalog>> open_store(const Options& options,
                                            const std::shared_ptr<resilient::Shield>& shield,
                                            const std::stop_token& stop, Program& program) {
  auto open = options.open;
  open.shield = shield;
  open.stop = stop;
  open.wait_until_up = shield && options.wait_seconds > 0;
  if (open.wait_until_up) {
    open.connect_timeout = std::chrono::milliseconds(
        static_cast<std::int64_t>(options.wait_seconds * 1000));
    spdlog::info("waiting for the store for up to {} s", options.wait_seconds);
  }
  auto catalog = program.open_catalog(options.store, open);
  if (catalog || !shield || open.wait_until_up || catalog.error().code != Code::unavailable) {
    return catalog;
  }
  auto error = catalog.error();
  error.message += "; with --wait SECONDS it is waited for";
  return error;
}

Result<Exit> serve(const Options& options, Program& program) {
  // Logs go to standard error, so that what scripts read stays clean.
  WEIR_TRY_ASSIGN(log_format, server::parse_log_format(options.log_format, "log-format"));
  WEIR_TRY(server::log_to_stderr(log_format, options.log_level));
  WEIR_TRY_ASSIGN(settings, telemetry::read_environment(program.environment));
  WEIR_TRY_ASSIGN(reporting, server::Reporting::create({.settings = std::move(settings),
                                                        .console = program.err}));
  program.observer = reporting->store_observer();
  program.telemetry = reporting->telemetry();
  program.statement_text = options.trace_statements;
  const auto stop = program.interrupted();
  WEIR_TRY_ASSIGN(shield, make_shield(options, *reporting));
  WEIR_TRY_ASSIGN(catalog, open_store(options, shield, stop, program));
  WEIR_TRY_ASSIGN(log, catalog->open("default", {}));
  WEIR_TRY_ASSIGN(head, log->head());
  WEIR_TRY_ASSIGN(service, server::Service::start(
                               catalog, {.grpc_address = options.grpc,
                                         .http_address = options.http,
                                         .reporting = reporting,
                                         .shield = shield}));
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
  constexpr std::chrono::seconds last_export{2};
  if (!reporting->shut_down(last_export)) {
    spdlog::warn("telemetry: what was left could not be exported in 2 s");
  }
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
  app.add_flag("--trace-statements", options->trace_statements,
               "Put the texts of SQL statements, without values, into their spans");
  app.add_option("--log-format", options->log_format, "text, or json: an object a line")
      ->capture_default_str();
  app.add_option("--log-level", options->log_level,
                 "What is logged from: trace, debug, info, warn, error, off")
      ->capture_default_str();
  app.add_option("--preset", options->preset,
                 "How to deal with a database that fails: development, production or "
                 "high-throughput")
      ->capture_default_str();
  app.add_option("--wait", options->wait_seconds,
                 "Seconds to wait for a PostgreSQL that takes no connections yet")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app.add_flag("--json", options->json, "Print the addresses as a JSON object");
  add_limits(app, options->open);
  return [options, &program] { return serve(*options, program); };
}

}  // namespace weir::cli
