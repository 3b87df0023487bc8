#include <weir/store/conformance/conformance.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::conformance {
namespace {

const Implementation memory{"memory",
                            [] { return std::make_shared<weir::testing::MemoryCatalog>(); }};
// So few at a time that reads take several steps.
const Implementation in_steps{"in_steps", [] {
                                return std::make_shared<weir::testing::MemoryCatalog>(
                                    weir::testing::MemoryOptions{.scanned_max = 8});
                              }};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Memory, Conformance, ::testing::Values(memory, in_steps), name_of);
INSTANTIATE_TEST_SUITE_P(Memory, ConcurrencyConformance, ::testing::Values(memory), name_of);

}  // namespace weir::conformance
