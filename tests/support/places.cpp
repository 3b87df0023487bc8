#include <tests/support/places.hpp>

namespace weir::testing_support {

std::string built_program() {
  return WEIR_PROGRAM;
}

std::string source_file(const std::string& path) {
  return std::string(WEIR_SOURCE_DIR) + "/" + path;
}

}  // namespace weir::testing_support
