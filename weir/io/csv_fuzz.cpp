#include <cstdint>

#include <weir/base/assert.hpp>
#include <weir/io/csv_events.hpp>

/// Whatever a CSV file holds, each row is either an event that the store takes or told with its
/// line, and reading it again gives the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  const std::string text(reinterpret_cast<const char*>(data), size);
  io::CsvRow header;
  io::CsvReader reader(text, {.row_bytes_max = 4096});
  if (!reader.next(header) || !header.problem.empty()) return 0;
  io::CsvMapping mapping{.type = header.cells.front(), .csv = {.row_bytes_max = 4096}};
  mapping.tags.push_back({.column = header.cells.back(), .key = "k"});
  if (header.cells.size() > 2) mapping.time = header.cells[1];
  auto source = io::open_csv_events(text, mapping);
  if (!source) return 0;
  std::uint64_t events = 0, again = 0;
  const auto on_problem = [&](std::uint64_t line, const std::string& problem) {
    WEIR_ASSERT(line > 0 && !problem.empty());
  };
  for (auto* count : {&events, &again}) {
    while (true) {
      const auto next = (*source)->next(on_problem);
      WEIR_ASSERT(next.ok());
      if (!next.value()) break;
      WEIR_ASSERT(check(next.value()->read.event, Limits{}, "event").ok());
      ++*count;
    }
    WEIR_ASSERT((*source)->rewind().ok());
  }
  WEIR_ASSERT(events == again);
  return 0;
}
