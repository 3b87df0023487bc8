#pragma once

#include <apps/weir/program.hpp>

namespace weir::cli {

// What commands ask of an engine beyond the store's interface: see Program.

Result<BackupDone> backup(const BackupRequest& request);
Result<void> verify_engine(const std::string& store, const std::string& log,
                           const OnDamage& on_damage);

}  // namespace weir::cli
