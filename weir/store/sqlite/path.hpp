#pragma once

#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir::sqlite {

/// The log that lies in the file that a store is named by.
inline constexpr std::string_view default_log = "default";

/// The one name of a file, behind whatever links: SQLite's companions and the indexer's lock go by
/// it, and SQLite takes it for nothing but a file. The file need not be there.
Result<std::string> real_path(const std::string& path);

/// Where a log lies, given the path of the default one.
std::string path_of(const std::string& default_path, const std::string& log);

}  // namespace weir::sqlite
