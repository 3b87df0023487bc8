#include <fstream>

#include <fmt/format.h>

#include <apps/weir/settings.hpp>

/// Writes docs/reference/configuration.md to the path given.
int main(int argc, char** argv) {
  if (argc != 2) return fmt::print(stderr, "usage: {} FILE\n", argv[0]), 2;
  std::ofstream file(argv[1]);
  file << weir::cli::configuration_reference() << std::flush;
  if (file.good()) return 0;
  fmt::print(stderr, "{} can't be written\n", argv[1]);
  return 1;
}
