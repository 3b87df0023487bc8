#pragma once

#include <sys/types.h>

#include <optional>
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

/// The log whose file, beside the default one, is called `file`; nothing when that is no log's. In
/// a store without an extension ("data/library") some names are those of SQLite's files and of
/// ours.
std::optional<std::string> log_at(const std::string& default_path, const std::string& file);

/// What a file is by, whatever it is called.
struct FileId {
  dev_t device = 0;
  ino_t number = 0;

  bool operator==(const FileId&) const = default;
};

/// Nothing when there is no such file.
std::optional<FileId> file_id(const std::string& path);

}  // namespace weir::sqlite
