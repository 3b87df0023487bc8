#include <weir/store/conformance/conformance.hpp>

namespace weir::conformance {

Event simple(std::string type, std::vector<std::string> tags) {
  return {.type = std::move(type), .tags = std::move(tags), .data = "{}"};
}

void Conformance::SetUp() {
  catalog_ = GetParam().fresh();
  ASSERT_NE(catalog_, nullptr);
  auto log = catalog_->open("default");
  ASSERT_TRUE(log) << to_string(log.error());
  log_ = *log;
}

Appended Conformance::append(std::vector<Event> events) {
  const auto appended = log_->append({.events = std::move(events)});
  EXPECT_TRUE(appended) << to_string(appended.error());
  return appended ? *appended : Appended{};
}

Result<Appended> Conformance::append_if(Event event, Query query,
                                        std::optional<std::uint64_t> after) {
  Condition condition{.fail_if_events_match = std::move(query)};
  if (after) condition.after = Position(*after);
  return log_->append({.events = {std::move(event)}, .condition = std::move(condition)});
}

std::vector<RecordedEvent> Conformance::events(ReadRequest request) {
  auto known = log_->read(std::move(request)).collect();
  EXPECT_TRUE(known) << to_string(known.error());
  return known ? std::move(known->events) : std::vector<RecordedEvent>();
}

std::vector<std::uint64_t> Conformance::positions(ReadRequest request) {
  std::vector<std::uint64_t> list;
  for (const auto& event : events(std::move(request))) list.push_back(event.position.value);
  return list;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConcurrencyConformance);

}  // namespace weir::conformance
