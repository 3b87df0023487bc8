#include <apps/weir/engines.hpp>

#include <filesystem>

#include <fmt/format.h>

#include <weir/open.hpp>
#include <weir/store/postgres/verify.hpp>
#include <weir/store/sqlite/backup.hpp>
#include <weir/store/sqlite/store.hpp>
#include <weir/store/sqlite/verify.hpp>

namespace weir::cli {
namespace {

constexpr std::string_view sqlite_prefix = "sqlite:";

/// The path of a log's file when the store is embedded.
Result<std::optional<std::string>> file_of(const std::string& store, const std::string& log) {
  if (!store.starts_with(sqlite_prefix)) return std::optional<std::string>();
  WEIR_TRY_ASSIGN(path, sqlite::real_path(store.substr(sqlite_prefix.size())));
  return std::optional(sqlite::path_of(path, log));
}

}  // namespace

Result<BackupDone> backup(const BackupRequest& request) {
  WEIR_TRY_ASSIGN(path, file_of(request.store, request.log));
  if (path) {
    WEIR_TRY(sqlite::backup_file(*path, request.destination, request.on_progress));
  } else {
    WEIR_TRY_ASSIGN(
        log, weir::open(request.store,
                        {.log = request.log, .create = false, .credentials = request.credentials}));
    WEIR_TRY(sqlite::copy_log(*log, request.destination, request.on_progress));
  }
  return BackupDone{.bytes = std::filesystem::file_size(request.destination)};
}

Result<void> verify_engine(const std::string& store, const std::string& log,
                           const OnDamage& on_damage) {
  if (store.starts_with("postgres://") || store.starts_with("postgresql://")) {
    return postgres::verify_log(store, log, on_damage);
  }
  WEIR_TRY_ASSIGN(path, file_of(store, log));
  if (!path) return {};                            // opening it says what is wrong with the address
  if (!std::filesystem::exists(*path)) return {};  // opening it says so
  return sqlite::verify_file(*path, on_damage);
}

}  // namespace weir::cli
