#include <weir/store/batch.hpp>

#include <gmock/gmock.h>

namespace weir {
namespace {

Batch batch_of(std::uint64_t count) {
  BatchBuilder builder;
  for (std::uint64_t i = 1; i <= count; ++i) {
    builder.add({.position = Position(i), .type = "A", .tags = {"t"}, .data = "{}"});
  }
  return std::move(builder).build();
}

TEST(Batch, reads_back_from_the_wire_as_it_was_built) {
  const auto built = batch_of(3);
  const auto read = Batch::from_wire(built.wire());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size(), 3U);
  EXPECT_EQ(read->first(), Position(1));
  EXPECT_EQ(read->last(), Position(3));
  for (const auto& event : *read) EXPECT_EQ(event.type(), "A");
}

// One between the first and the last used to be let in, and to end the program when looked at.
TEST(Batch, is_refused_when_any_of_its_events_is_malformed) {
  const auto bytes = batch_of(1).bytes();
  for (std::size_t event = 0; event < 3; ++event) {
    auto wire = batch_of(3).wire();
    wire[(event + 1) * bytes - 7] = '\x7F';  // says that the data goes on past the event's end
    const auto read = Batch::from_wire(wire);
    ASSERT_FALSE(read) << event;
    EXPECT_EQ(read.error().code, Code::data_loss);
  }
}

TEST(Batch, takes_no_field_for_one_of_another_wire_type) {
  const std::string_view event("\x08\x05\x12\x01x\x20\x07", 7);  // the data as a number
  const auto read = Batch::from_wire("\x0A\x07" + std::string(event));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->first(), Position(5));
  EXPECT_EQ(read->begin()->type(), "x");
  EXPECT_EQ(read->begin()->data(), "");
}

}  // namespace
}  // namespace weir
