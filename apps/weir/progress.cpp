#include <apps/weir/progress.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <apps/weir/output.hpp>

namespace weir::cli {

Progress::Progress(const Program& program, std::string doing, std::string unit)
    : program_(program),
      doing_(std::move(doing)),
      unit_(std::move(unit)),
      visible_(is_terminal(program.err)),
      began_(program.clock->instant()),
      drawn_(began_) {}

Progress::~Progress() {
  clear();
}

void Progress::show(std::uint64_t done, std::uint64_t all) {
  if (!visible_) return;
  const auto now = program_.clock->instant();
  if (on_screen_ && now - drawn_ < std::chrono::milliseconds(100) && done != all) return;
  drawn_ = now;
  on_screen_ = true;
  const auto seconds = std::chrono::duration<double>(now - began_).count();
  tell(program_, fmt::format("\r\x1b[K{}", progress_line(doing_, unit_, done, all, seconds)));
  std::fflush(program_.err);
}

void Progress::clear() {
  if (!on_screen_) return;
  tell(program_, "\r\x1b[K");
  std::fflush(program_.err);
  on_screen_ = false;
}

std::string progress_line(std::string_view doing, std::string_view unit, std::uint64_t done,
                          std::uint64_t all, double seconds) {
  constexpr std::size_t width = 24;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  if (all == 0) return fmt::format("{}  {} {}  {:.0f}/s", doing, done, unit, rate);
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
  const auto filled = static_cast<std::size_t>(share * width);
  auto line = fmt::format("{} [{}{}] {:3.0f}%  {}/{} {}  {:.0f}/s", doing, std::string(filled, '='),
                          std::string(width - filled, ' '), share * 100, done, all, unit, rate);
  if (rate > 0 && done < all) {
    line += fmt::format("  {:.0f} s left", static_cast<double>(all - done) / rate);
  }
  return line;
}

}  // namespace weir::cli
