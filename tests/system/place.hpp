#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weir::system_tests {

/// Where an empty store may be made; goes with all that is in it.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::string uri() const = 0;
};

struct Engine {
  std::string name;
  std::unique_ptr<Place> (*make)();
};

/// The engines that a server can stand on.
std::vector<Engine> engines();
std::string engine_name(const testing::TestParamInfo<Engine>& info);

}  // namespace weir::system_tests
