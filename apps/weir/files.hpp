#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include <weir/base/result.hpp>

namespace weir::cli {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// Errors: unknown, naming the file and what the system says.
Result<File> open_file(const std::string& path, const char* mode);

/// Everything that is left in a file. Errors: invalid_argument past bytes_max, unknown.
Result<std::string> read_all(std::FILE* file, const std::string& name, std::size_t bytes_max);
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

/// A file that can be read more than once: the file itself, or a copy on disk without a name when
/// it is a pipe.
Result<File> seekable(File file, const std::string& name);

}  // namespace weir::cli
