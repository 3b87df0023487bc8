#include <weir/open.hpp>

#include <cstdio>

#include <fmt/format.h>

#include <weir/base/uri.hpp>
#include <weir/look.hpp>
#include <weir/sql/postgres/errors.hpp>
#include <weir/sql/postgres/hosts.hpp>
#include <weir/store/postgres/store.hpp>
#include <weir/store/remote/client.hpp>
#include <weir/store/sqlite/store.hpp>

namespace weir {
namespace {

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool is_postgres(std::string_view uri) {
  return uri.starts_with("postgres://") || uri.starts_with("postgresql://");
}

Result<void> check_range(std::size_t value, std::size_t min, std::size_t max, const char* name) {
  if (value >= min && value <= max) return {};
  return invalid_field(name, fmt::format("{} is not {} to {}", value, min, max));
}

Result<void> check(const OpenOptions& options) {
  WEIR_TRY(weir::check(options.limits));
  WEIR_TRY(check_range(options.queue_max, 1, OpenOptions::queue_highest, "queue_max"));
  return check_range(options.queue_bytes_max, OpenOptions::queue_bytes_lowest,
                     OpenOptions::queue_bytes_highest, "queue_bytes_max");
}

sql::StatementReporting reporting_of(const OpenOptions& options) {
  return {.telemetry = options.telemetry, .text = options.statement_text};
}

/// Tries once, or for as long as the options say while the database takes no connections.
Result<std::shared_ptr<postgres::Store>> open_store(const postgres::StoreOptions& store,
                                                    const OpenOptions& options) {
  const auto threads = std::make_shared<engine::Threads>(options.callbacks_never_block);
  if (!options.wait_until_up) return postgres::Store::open(store, threads);
  WEIR_TRY_ASSIGN(waiting, resilience::pipeline("open")
                               .retry({.attempts_max = 1000,
                                       .delay = std::chrono::milliseconds(100),
                                       .delay_max = std::chrono::seconds(1),
                                       .jitter = resilience::Jitter::equal,
                                       .total_max = options.connect_timeout,
                                       .handled = {.errors =
                                                       [](const Error& error) {
                                                         return error.code == Code::unavailable &&
                                                                !postgres::is_refusal(error);
                                                       }}})
                               .build());
  std::shared_ptr<postgres::Store> opened;
  WEIR_TRY(waiting.run({.stop = options.stop}, [&]() -> Result<void> {
    WEIR_TRY_ASSIGN(made, postgres::Store::open(store, threads));
    opened = std::move(made);
    return {};
  }));
  return opened;
}

Result<std::shared_ptr<Catalog>> open_postgres(const std::string& uri, const OpenOptions& options,
                                               engine::LogEngineOptions engine) {
  auto shield = options.shield;
  if (!shield) {
    WEIR_TRY_ASSIGN(made, resilient::Shield::create({}));
    shield = std::move(made);
  }
  engine.around = [shield](std::unique_ptr<engine::Backend> backend) {
    return shield->around(std::move(backend));
  };
  postgres::DatabaseOptions database;
  database.readers = options.postgres.pool;
  database.hosts = options.postgres.hosts;
  database.replicas = options.postgres.replicas;
  database.reporting = reporting_of(options);
  database.open_time_max = options.open_timeout;
  WEIR_TRY_ASSIGN(store, open_store({.uri = uri,
                                     .create = options.create,
                                     .default_log = options.default_log,
                                     .database = database,
                                     .engine = std::move(engine)},
                                    options));
  shield->look_with(look_at(store->database()));
  return shield->around(std::shared_ptr<Catalog>(std::move(store)));
}

}  // namespace

Result<void> check_store(std::string_view uri) {
  if (uri == "sqlite:") return invalid_field("store", "'sqlite:' names no file: sqlite:PATH");
  for (const auto* known : {"sqlite:", "weir://"}) {
    if (uri.starts_with(known)) return {};
  }
  if (is_postgres(uri)) return postgres::check_address(std::string(uri));
  return invalid_field("store", fmt::format("'{}' is not sqlite:PATH, postgres://... or "
                                            "weir://HOST:PORT",
                                            without_password(uri)));
}

Result<std::shared_ptr<Catalog>> open_catalog(const std::string& uri, OpenOptions options) {
  WEIR_TRY(check_store(uri));
  WEIR_TRY(check(options));
  const engine::LogEngineOptions engine{
      .limits = options.limits,
      .committer = {.queue_max = options.queue_max,
                    .queue_bytes_max = options.queue_bytes_max,
                    .callbacks_never_block = options.callbacks_never_block,
                    .observer = options.observer}};
  std::string_view rest = uri;
  if (take_prefix(rest, "sqlite:")) {
    WEIR_TRY_ASSIGN(store, sqlite::Store::open(
                               {.path = std::string(rest),
                                .create = options.create,
                                .default_log = options.default_log,
                                .engine = engine,
                                .reporting = reporting_of(options)},
                               std::make_shared<engine::Threads>(options.callbacks_never_block)));
    return std::shared_ptr<Catalog>(std::move(store));
  }
  if (is_postgres(uri)) {
    return open_postgres(uri, options, engine);
  }
  take_prefix(rest, "weir://");
  return remote::connect({.target = std::string(rest),
                          .credentials = options.credentials,
                          .connect_timeout = options.connect_timeout,
                          .wait_until_up = options.wait_until_up});
}

Result<std::shared_ptr<EventStore>> open(const std::string& uri, OpenOptions options) {
  WEIR_TRY_ASSIGN(catalog, open_catalog(uri, options));
  return catalog->open(options.log);
}

Result<std::shared_ptr<EventReader>> open_reader(const std::string& uri, OpenOptions options) {
  options.create = false;
  WEIR_TRY_ASSIGN(store, open(uri, options));
  return std::shared_ptr<EventReader>(std::move(store));
}

int fail(const Error& error) {
  std::fputs(fmt::format("error: {}\n", error.message).c_str(), stderr);
  return 1;
}

}  // namespace weir
