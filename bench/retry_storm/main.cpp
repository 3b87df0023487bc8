// Simulates a retry storm for each way in which clients may behave, prints what came of it, and
// draws it: weir_retry_storm docs/retry_storm.svg
#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include <bench/retry_storm/storm.hpp>

namespace weir::bench {
namespace {

constexpr double panel_width = 420, panel_height = 170, margin = 56, gap = 64;

/// A line through one value a second.
std::string polyline(const std::vector<double>& values, double most, double x, double y,
                     const char* colour) {
  std::string points;
  const double step = panel_width / static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    points += fmt::format("{:.1f},{:.1f} ", x + step * static_cast<double>(i),
                          y + panel_height - panel_height * std::min(1.0, values[i] / most));
  }
  return fmt::format(R"(<polyline fill="none" stroke="{}" stroke-width="1.5" points="{}"/>)"
                     "\n",
                     colour, points);
}

std::string panel(const StormOptions& options, const std::string& title,
                  const StormOutcome& outcome, double most, double x, double y) {
  const double second = panel_width / std::chrono::duration<double>(options.length).count();
  const auto at = [&](resilience::Duration when) {
    return x + second * std::chrono::duration<double>(when).count();
  };
  std::string out = fmt::format(
      R"(<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="#f3d9d9"/>)"
      "\n",
      at(options.slow_from), y, at(options.slow_until) - at(options.slow_from), panel_height);
  out += fmt::format(R"(<rect x="{}" y="{}" width="{}" height="{}" fill="none" stroke="#999"/>)"
                     "\n",
                     x, y, panel_width, panel_height);
  out += fmt::format(R"(<text x="{}" y="{}" font-weight="bold">{}</text>)"
                     "\n",
                     x, y - 8, title);
  for (const double share : {0.0, 0.5, 1.0}) {
    out += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">{:.0f}</text>)"
                       "\n",
                       x - 4, y + panel_height * (1 - share) + 4, most * share);
  }
  for (int minute = 0; minute <= options.length / std::chrono::minutes(1); ++minute) {
    out += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{} min</text>)"
                       "\n",
                       at(std::chrono::minutes(minute)), y + panel_height + 14, minute);
  }
  out += polyline(outcome.seconds.sent, most, x, y, "#c0392b");
  out += polyline(outcome.seconds.answered, most, x, y, "#1e6b3a");
  return out;
}

void print(const StormClients& clients, const StormOutcome& outcome) {
  const auto recovered =
      outcome.recovered_after
          ? fmt::format("{} s after", *outcome.recovered_after / std::chrono::seconds(1))
          : "never";
  fmt::print("{:<46} {:>5.2f} attempts a call, {:>3.0f} % answered while slow, recovered {}\n",
             clients.name, outcome.amplification, outcome.answered_while_slow * 100, recovered);
}

int run(const char* path) {
  const StormOptions options;
  const auto ways = storm_clients();
  const double width = 2 * panel_width + 2 * margin + gap;
  const double height = 3 * (panel_height + gap) + margin;
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="sans-serif" )"
      R"(font-size="11"><rect width="100%" height="100%" fill="white"/>)"
      "\n",
      width, height);
  svg += fmt::format(
      R"(<text x="{0}" y="14" font-size="13">100,000 clients, 5,000 calls a second; capacity )"
      R"(8,000, a quarter of it while slow (shaded).</text>)"
      R"(<text x="{0}" y="31" font-size="13">Red: attempts that reach the service a second. )"
      R"(Green: calls answered in time.</text>)"
      "\n",
      margin);
  for (std::size_t i = 0; i < ways.size(); ++i) {
    const auto outcome = simulate(options, ways[i]);
    print(ways[i], outcome);
    svg += panel(options, ways[i].name, outcome, 20'000,
                 margin + static_cast<double>(i % 2) * (panel_width + gap),
                 62 + static_cast<double>(i / 2) * (panel_height + gap));
  }
  svg += "</svg>\n";
  std::ofstream file(path);
  file << svg;
  file.close();
  if (file) return 0;
  fmt::print(stderr, "error: {} cannot be written\n", path);
  return 1;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
  if (argc == 2) return weir::bench::run(argv[1]);
  fmt::print(stderr, "usage: weir_retry_storm FILE.svg\n");
  return 2;
}
