#pragma once

#include <string>

namespace weir::testing_support {

// Where this build and its sources are. One small source is told by CMake, so that nothing else
// need be compiled anew in another folder.

/// The program `weir` of this build.
std::string built_program();

/// A file of the sources, by its path from their root.
std::string source_file(const std::string& path);

}  // namespace weir::testing_support
