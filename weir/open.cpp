#include <weir/open.hpp>

#include <cstdio>

#include <fmt/format.h>

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

}  // namespace

Result<std::shared_ptr<Catalog>> open_catalog(const std::string& uri, OpenOptions options) {
  std::string_view rest = uri;
  const engine::LogEngineOptions engine{
      .committer = {.callbacks_on_writer = options.callbacks_on_writer,
                    .observer = options.observer}};
  if (take_prefix(rest, "sqlite:")) {
    WEIR_TRY_ASSIGN(store, sqlite::Store::open({.path = std::string(rest),
                                                .create = options.create,
                                                .engine = engine},
                                               std::make_shared<engine::Threads>()));
    return std::shared_ptr<Catalog>(std::move(store));
  }
  postgres::DatabaseOptions database;
  database.reporting = {.telemetry = options.telemetry, .text = options.statement_text};
  if (uri.starts_with("postgres://") || uri.starts_with("postgresql://")) {
    WEIR_TRY_ASSIGN(store, postgres::Store::open({.uri = uri,
                                                  .create = options.create,
                                                  .database = database,
                                                  .engine = engine},
                                                 std::make_shared<engine::Threads>()));
    return std::shared_ptr<Catalog>(std::move(store));
  }
  if (take_prefix(rest, "weir://")) return remote::connect({.target = std::string(rest)});
  return invalid_field("store", fmt::format("'{}' is not sqlite:PATH, postgres://... or "
                                            "weir://HOST:PORT",
                                            uri));
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
  fmt::print(stderr, "error: {}\n", error.message);
  return 1;
}

}  // namespace weir
