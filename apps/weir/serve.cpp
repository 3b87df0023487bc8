#include <pthread.h>

#include <condition_variable>
#include <mutex>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/protection.hpp>
#include <apps/weir/settings.hpp>
#include <weir/base/descriptors.hpp>
#include <weir/security/address.hpp>
#include <weir/server/access.hpp>
#include <weir/server/grpc_log.hpp>
#include <weir/server/log_format.hpp>
#include <weir/server/reporting.hpp>
#include <weir/server/service.hpp>

namespace weir::cli {
namespace {

/// How soon a hang-up is noticed, and the end of a token.
constexpr std::chrono::milliseconds looks_every{250};

/// `hangups`: those that have been dealt with.
void wait_for(const std::stop_token& stop, const Program& program, server::Access& access,
              Reloader& reloader, std::uint64_t hangups) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    changed.wait_for(lock, stop, looks_every, [] { return false; });
    access.end_expired();
    if (const auto now = program.hangups(); now != hangups) {
      hangups = now;
      reloader.reload();
    }
  }
}

server::ServiceOptions::OpenTo open_to(const std::string& word) {
  using OpenTo = server::ServiceOptions::OpenTo;
  return word == "loopback" ? OpenTo::loopback
         : word == "tokens" ? OpenTo::tokens
                            : OpenTo::everybody;
}

void warn_of_plain_text(const server::ServiceOptions& options) {
  if (!options.grpc.access->has_tokens() || options.grpc.tls) return;
  for (const auto& address : {options.grpc.grpc_address, options.http.address}) {
    const auto loopback = security::is_loopback(address, "address");
    if (loopback && *loopback) continue;
    spdlog::warn("tokens and events travel to {} in plain text: see tls.certificate", address);
  }
}

/// Null for a file: nothing there can be away.
Result<std::shared_ptr<resilient::Shield>> make_shield(const ServeSettings& settings,
                                                       const server::Reporting& reporting) {
  WEIR_TRY_ASSIGN(strategies, shield_options(settings));
  if (settings.store.starts_with("sqlite:")) return std::shared_ptr<resilient::Shield>();
  strategies.listener = reporting.resilience_listener();
  return resilient::Shield::create(std::move(strategies));
}

Result<std::shared_ptr<Catalog>> open_store(const ServeSettings& settings,
                                            const std::shared_ptr<resilient::Shield>& shield,
                                            const std::stop_token& stop, Program& program) {
  auto open = open_options(settings);
  open.shield = shield;
  open.stop = stop;
  open.wait_until_up = shield && settings.wait.count() > 0;
  if (open.wait_until_up) {
    open.connect_timeout = settings.wait;
    spdlog::info("waiting for the store for up to {} ms", settings.wait.count());
  }
  auto catalog = program.open_catalog(settings.store, open);
  if (catalog || !shield || open.wait_until_up || catalog.error().code != Code::unavailable) {
    return catalog;
  }
  auto error = catalog.error();
  error.message += "; with --wait SECONDS it is waited for";
  return error;
}

Result<void> say_where(const server::Service& service, const ServeConfiguration& configuration,
                       Position head, bool json, Program& program) {
  Output out(program.out);
  if (json) {
    out.write(fmt::format("{{\"grpc\":\"{}\",\"http\":\"{}\",\"head\":{}}}\n",
                          service.grpc_address(), service.http_address(), head.value));
  } else {
    out.write(fmt::format("  weir {}   store {}   {} events\n", WEIR_VERSION,
                          configuration.list.find("store")->shown(), head.value));
    const auto scheme = configuration.values.tls.enabled() ? "https" : "http";
    out.write(fmt::format("  gRPC {}   HTTP {}://{}   API {}://{}/docs\n", service.grpc_address(),
                          scheme, service.http_address(), scheme, service.http_address()));
  }
  WEIR_TRY(out.finish());
  std::fflush(program.out);
  return {};
}

server::ServiceOptions service_options(const ServeSettings& settings, const Protection& protection,
                                       const std::shared_ptr<server::Reporting>& reporting,
                                       const std::shared_ptr<resilient::Shield>& shield,
                                       const Clock& clock) {
  auto options = settings.service;
  options.reporting = reporting;
  options.shield = shield;
  options.grpc.admission = admission_options(settings);
  options.metrics = open_to(settings.metrics_for);
  options.docs = open_to(settings.docs_for);
  options.grpc.tls = options.http.tls = protection.tls;
  options.grpc.access = std::make_shared<server::Access>(server::AccessOptions{
      .tokens = protection.tokens, .meter = reporting->telemetry().meter, .clock = &clock});
  return options;
}

Result<Exit> serve(const SettingFlags& flags, bool json, Program& program) {
  WEIR_TRY_ASSIGN(configuration, ServeConfiguration::load(flags, program));
  const auto& settings = configuration->values;
  // Logs go to standard error, so that what scripts read stays clean.
  WEIR_TRY_ASSIGN(log_format, server::parse_log_format(settings.log_format, "log-format"));
  WEIR_TRY(server::log_to_stderr(log_format, settings.log_level));
  server::log_grpc();
  for (const auto& line : configuration->unknown_variables(program)) spdlog::warn("{}", line);
  WEIR_TRY_ASSIGN(protection, read_protection(settings, program.clock->now()));
  WEIR_TRY_ASSIGN(telemetry, configuration->telemetry(program));
  WEIR_TRY_ASSIGN(reporting, server::Reporting::create(
                                 {.settings = std::move(telemetry), .console = program.err}));
  program.observer = reporting->store_observer();
  program.telemetry = reporting->telemetry();
  program.statement_text = settings.open.statement_text;
  Buffers::shared().configure(settings.buffers);
  const auto stop = program.interrupted();
  if (const auto raised = raise_descriptors_max(); !raised) {
    spdlog::warn("{}", raised.error().message);
  }
  // From here on a hang-up ends nothing, and is dealt with once all is up.
  const auto hangups = program.hangups();
  WEIR_TRY_ASSIGN(shield, make_shield(settings, *reporting));
  const auto options = service_options(settings, protection, reporting, shield, *program.clock);
  WEIR_TRY(server::check(options));
  const auto empty = empty_file_of(settings.store);
  WEIR_TRY_ASSIGN(catalog, open_store(settings, shield, stop, program));
  if (empty) spdlog::warn("made a new store: {}, where an empty file was", *empty);
  WEIR_TRY_ASSIGN(log, catalog->open("default", {}));
  WEIR_TRY_ASSIGN(head, log->head());
  warn_of_plain_text(options);
  WEIR_TRY_ASSIGN(service, server::Service::start(catalog, options));
  WEIR_TRY(say_where(*service, *configuration, head, json, program));
  const auto grace = settings.grace;
  Reloader reloader(flags, std::move(configuration),
                    {.service = *service,
                     .access = *options.grpc.access,
                     .meter = *reporting->telemetry().meter,
                     .shield = shield,
                     .listener = reporting->resilience_listener()},
                    program);
  wait_for(stop, program, *options.grpc.access, reloader, hangups);
  spdlog::info("stopping: finishing what was accepted");
  service->shut_down(grace);
  log.reset();
  catalog.reset();
  constexpr std::chrono::seconds last_export{2};
  if (!reporting->shut_down(last_export)) {
    spdlog::warn("telemetry: what was left could not be exported in 2 s");
  }
  spdlog::info("stopped");
  return Exit::fine;
}

}  // namespace

Run define_serve(Flags& flags, Program& program) {
  struct Options {
    SettingFlags flags;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  flags.add("--json", options->json, "Print the addresses as a JSON object");
  options->flags.add_to(flags);
  return [options, &program] { return serve(options->flags, options->json, program); };
}

}  // namespace weir::cli
