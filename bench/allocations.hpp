#pragma once

#include <cstdint>

namespace weir::bench {

struct Allocations {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

/// Counts what the whole program allocates by `new` while it exists; the rest of the time nothing
/// is counted, so that other figures do not suffer. One at a time.
class CountAllocations {
 public:
  CountAllocations();
  ~CountAllocations();
  CountAllocations(const CountAllocations&) = delete;
  CountAllocations& operator=(const CountAllocations&) = delete;

  Allocations so_far() const;
};

}  // namespace weir::bench
