#include <weir/io/csv_events.hpp>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::io {
namespace {

constexpr std::size_t npos = std::string::npos;

/// Whether there is a CR outside of quotes that belongs to no CRLF.
bool has_bare_cr(std::string_view row) {
  bool quoted = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == '"') quoted = !quoted;
    if (!quoted && row[i] == '\r' && row.substr(i + 1, 1) != "\n") return true;
  }
  return false;
}

/// Where in a row the parts of an event stand.
struct Columns {
  std::size_t type = npos;
  std::size_t time = npos;
  std::vector<std::pair<std::size_t, std::string>> tags;
  /// Index, and the name as a JSON member: `"name":`.
  std::vector<std::pair<std::size_t, std::string>> payload;
};

Result<std::size_t> find_column(const std::vector<std::string>& header, const std::string& name) {
  const auto at = std::find(header.begin(), header.end(), name);
  if (at == header.end()) {
    return invalid_field(
        "header", fmt::format("has no column '{}'; there are: {}", name, fmt::join(header, ", ")));
  }
  return static_cast<std::size_t>(at - header.begin());
}

Result<Columns> map_columns(const std::vector<std::string>& header, const CsvMapping& mapping) {
  std::set<std::string> names;
  for (const auto& name : header) {
    if (!names.insert(name).second) {
      return invalid_field("header", fmt::format("has the column '{}' twice", name));
    }
  }
  Columns columns;
  std::set<std::size_t> used;
  WEIR_TRY_ASSIGN(type, find_column(header, mapping.type));
  used.insert(columns.type = type);
  if (!mapping.time.empty()) {
    WEIR_TRY_ASSIGN(time, find_column(header, mapping.time));
    used.insert(columns.time = time);
  }
  for (const auto& tag : mapping.tags) {
    WEIR_TRY_ASSIGN(column, find_column(header, tag.column));
    columns.tags.emplace_back(column, tag.key + ":");
    used.insert(column);
  }
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (used.contains(i)) continue;
    std::string name;
    append_json_string(name, header[i]);
    columns.payload.emplace_back(i, name + ":");
  }
  return columns;
}

Result<Event> to_event(const CsvRow& row, const Columns& columns) {
  Event event{.type = row.cells[columns.type]};
  if (columns.time != npos) {
    WEIR_TRY_ASSIGN(time, parse_timestamp(row.cells[columns.time]));
    event.occurred_at = time;
  }
  for (const auto& [column, prefix] : columns.tags) {
    if (row.cells[column].empty()) continue;
    auto tag = prefix + row.cells[column];
    if (std::find(event.tags.begin(), event.tags.end(), tag) == event.tags.end()) {
      event.tags.push_back(std::move(tag));
    }
  }
  event.data = "{";
  for (const auto& [column, name] : columns.payload) {
    if (event.data.size() > 1) event.data += ',';
    event.data += name;
    append_json_string(event.data, row.cells[column]);
  }
  event.data += '}';
  return event;
}

class CsvEvents final : public EventSource {
 public:
  CsvEvents(std::string text, CsvMapping mapping)
      : text_(std::move(text)), mapping_(std::move(mapping)), reader_(text_, mapping_.csv) {}

  Result<void> read_header() {
    CsvRow header;
    if (!reader_.next(header)) return invalid_field("header", "is missing: the file is empty");
    if (!header.problem.empty()) return invalid_field("header", header.problem);
    const std::string_view text = text_;
    if (has_bare_cr(text.substr(header.offset, reader_.offset() - header.offset))) {
      return invalid_field("header", "its line ends with a CR alone; LF or CRLF is needed");
    }
    WEIR_TRY_ASSIGN(columns, map_columns(header.cells, mapping_));
    columns_ = std::move(columns);
    return {};
  }

  void set_limits(const Limits& limits) override { limits_ = limits; }

  Result<std::optional<SourceEvent>> next(const OnProblem& on_problem) override {
    if (!sorted_) sort(on_problem);
    if (next_ == rows_.size()) return std::optional<SourceEvent>();
    const auto& at = rows_[next_++];
    bytes_done_ += at.bytes;
    CsvRow row{.line = at.line, .offset = at.offset};
    reader_.seek(row);
    reader_.next(row);
    WEIR_TRY_ASSIGN(event, to_event(row, columns_));
    return std::optional(SourceEvent{.read = {.event = std::move(event)}, .line = row.line});
  }

  Result<void> rewind() override {
    next_ = 0;
    bytes_done_ = 0;
    return {};
  }

  std::uint64_t bytes_done() const override { return bytes_done_; }
  std::uint64_t bytes_all() const override { return text_.size(); }

 private:
  struct RowAt {
    Timestamp time;
    std::size_t offset;
    std::uint64_t line;
    std::size_t bytes;
  };

  void sort(const OnProblem& on_problem) {
    CsvRow row;
    while (reader_.next(row)) {
      auto event = row.problem.empty() ? to_event(row, columns_)
                                       : Result<Event>(invalid_field("row", row.problem));
      if (event) event = checked(std::move(*event));
      if (event) {
        rows_.push_back({event->occurred_at.value_or(Timestamp()), row.offset, row.line,
                         reader_.offset() - row.offset});
      } else {
        on_problem(row.line, event.error().message);
      }
    }
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const RowAt& a, const RowAt& b) { return a.time < b.time; });
    sorted_ = true;
  }

  Result<Event> checked(Event event) const {
    WEIR_TRY(check(event, limits_, "row"));
    return event;
  }

  const std::string text_;
  const CsvMapping mapping_;
  CsvReader reader_;
  Limits limits_;
  Columns columns_;
  std::vector<RowAt> rows_;
  bool sorted_ = false;
  std::size_t next_ = 0;
  std::uint64_t bytes_done_ = 0;
};

}  // namespace

Result<CsvTag> parse_csv_tag(std::string_view text) {
  const auto divider = text.rfind('=');
  if (divider == std::string_view::npos || divider == 0 || divider + 1 == text.size()) {
    return invalid_field("--tag", fmt::format("'{}' is not COLUMN=key", text));
  }
  return CsvTag{.column = std::string(text.substr(0, divider)),
                .key = std::string(text.substr(divider + 1))};
}

Result<std::unique_ptr<EventSource>> open_csv_events(std::string text, CsvMapping mapping) {
  auto events = std::make_unique<CsvEvents>(std::move(text), std::move(mapping));
  WEIR_TRY(events->read_header());
  return std::unique_ptr<EventSource>(std::move(events));
}

}  // namespace weir::io
