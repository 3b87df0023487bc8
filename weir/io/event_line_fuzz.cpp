#include <cstdint>
#include <string>

#include <weir/base/assert.hpp>
#include <weir/io/event_line.hpp>
#include <weir/store/limits.hpp>

namespace {

std::string line_of(const weir::io::LineEvent& line) {
  const auto& event = line.event;
  weir::EventFields fields{.position = weir::Position(1),
                           .id = event.id ? &*event.id : nullptr,
                           .type = event.type,
                           .tags = {event.tags.begin(), event.tags.end()},
                           .data = event.data,
                           .content_type = event.content_type,
                           .occurred_at = event.occurred_at.value_or(weir::Timestamp())};
  for (const auto& [key, value] : event.metadata) fields.metadata.emplace_back(key, value);
  weir::BatchBuilder builder;
  builder.add(fields);
  const auto batch = std::move(builder).build();
  std::string out;
  weir::io::append_event_line(out, *batch.begin());
  out.pop_back();
  return out;
}

}  // namespace

/// A line that is taken is written and taken again as the same event.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = weir::io::parse_event_line({reinterpret_cast<const char*>(data), size});
  if (!read || !weir::check(read.value().event, weir::Limits{}, "event")) return 0;
  const auto line = line_of(read.value());
  const auto again = weir::io::parse_event_line(line);
  WEIR_ASSERT(again.ok());
  WEIR_ASSERT(again.value().event.data == read.value().event.data);
  WEIR_ASSERT(again.value().event.tags == read.value().event.tags);
  WEIR_ASSERT(again.value().event.metadata == read.value().event.metadata);
  WEIR_ASSERT(line_of(again.value()) == line);
  return 0;
}
