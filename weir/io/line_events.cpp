#include <weir/io/line_events.hpp>

#include <fmt/format.h>

#include <weir/io/lines.hpp>

namespace weir::io {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Error not_seekable() {
  return {.code = Code::unknown, .message = "the file cannot be read twice"};
}

class LineEvents final : public EventSource {
 public:
  explicit LineEvents(std::FILE* file) : file_(file), lines_(file, line_bytes_max()) {}

  Result<void> measure() {
    if (std::fseek(file_.get(), 0, SEEK_END) != 0) return not_seekable();
    bytes_all_ = static_cast<std::uint64_t>(std::ftell(file_.get()));
    return rewind();
  }

  void set_limits(const Limits& limits) override {
    limits_ = limits;
    lines_.set_line_bytes_max(line_bytes_max());
  }

  Result<std::optional<SourceEvent>> next(const OnProblem& on_problem) override {
    while (true) {
      WEIR_TRY_ASSIGN(found, lines_.next());
      if (found == LineReader::Next::end) return std::optional<SourceEvent>();
      if (found == LineReader::Next::too_long) {
        on_problem(lines_.number(), fmt::format("line: longer than {} bytes", line_bytes_max()));
        continue;
      }
      auto line = lines_.line();
      if (lines_.number() == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      auto event = read(line);
      if (event) return std::optional(SourceEvent{std::move(*event), lines_.number()});
      on_problem(lines_.number(), event.error().message);
    }
  }

  Result<void> rewind() override {
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0) return not_seekable();
    lines_.restart();
    return {};
  }

  std::uint64_t bytes_done() const override { return lines_.bytes(); }
  std::uint64_t bytes_all() const override { return bytes_all_; }

 private:
  std::size_t line_bytes_max() const { return 4 * limits_.append_bytes_max; }

  Result<LineEvent> read(std::string_view line) const {
    WEIR_TRY_ASSIGN(event, parse_event_line(line));
    WEIR_TRY(check(event.event, limits_, "event"));
    if (event.tracking) {
      WEIR_TRY(check_key(event.tracking->source, limits_, "tracking.source"));
    }
    return event;
  }

  std::unique_ptr<std::FILE, Close> file_;
  Limits limits_;
  LineReader lines_;
  std::uint64_t bytes_all_ = 0;
};

}  // namespace

Result<std::unique_ptr<EventSource>> open_line_events(std::FILE* file) {
  auto events = std::make_unique<LineEvents>(file);
  WEIR_TRY(events->measure());
  return std::unique_ptr<EventSource>(std::move(events));
}

}  // namespace weir::io
