#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <weir/base/result.hpp>

namespace weir::config {

/// One value of a file.
struct FileValue {
  /// Its names from the outermost to its own: "http.idle_timeout".
  std::string name;
  /// One text; of a list any number.
  std::vector<std::string> values;
  bool is_list = false;
  /// "weir.yaml:3", where the name stands.
  std::string place;
};

/// Bytes that a file may have.
inline constexpr std::size_t file_bytes_max = 1 << 20;

/// A YAML document of maps down to scalars and lists of scalars, in the order of its lines.
/// `called` names it in places. Errors: invalid_argument with the place: not YAML, a name that is
/// there twice, a list of maps, a name without a value, more than one document.
Result<std::vector<FileValue>> parse_yaml(const std::string& text, std::string_view called);

/// The same of a file. Errors: also not_found, and invalid_argument when it is larger than
/// file_bytes_max.
Result<std::vector<FileValue>> read_yaml(const std::string& path);

}  // namespace weir::config
