#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weir/store/event_store.hpp>

namespace weir::conformance {

/// Something that implements the store's interface: a new engine is one of these and one
/// INSTANTIATE_TEST_SUITE_P line.
struct Implementation {
  std::string name;
  /// A catalog with an empty default log; it cleans up after itself when it goes.
  std::function<std::shared_ptr<Catalog>()> fresh;
};

inline std::string name_of(const ::testing::TestParamInfo<Implementation>& info) {
  return info.param.name;
}

/// Every sentence of the log's rules (docs/concepts.md), as tests.
class Conformance : public ::testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override;

  /// Appends events that must be accepted.
  Appended append(std::vector<Event> events);
  Result<Appended> append_if(Event event, Query query, std::optional<std::uint64_t> after);
  /// Positions that a read gives, in its order.
  std::vector<std::uint64_t> positions(ReadRequest request);
  std::vector<RecordedEvent> events(ReadRequest request = {});

  std::shared_ptr<Catalog> catalog_;
  std::shared_ptr<EventStore> log_;
};

/// The same interface, under races.
class ConcurrencyConformance : public Conformance {};

Event simple(std::string type, std::vector<std::string> tags = {});

}  // namespace weir::conformance
