#include <weir/sql/pool/options.hpp>

#include <fmt/format.h>

namespace weir::sql {
namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

struct Range {
  const char* field;
  Milliseconds value;
  Milliseconds least;
  Milliseconds most;
  bool zero_is_off;
};

Result<void> check(const Range& range) {
  if (range.zero_is_off && range.value == 0ms) return {};
  if (range.value >= range.least && range.value <= range.most) return {};
  return invalid_field(range.field, fmt::format("{} ms is not {}{} to {} ms", range.value.count(),
                                                range.zero_is_off ? "0 or " : "",
                                                range.least.count(), range.most.count()));
}

Result<void> check(const char* field, std::size_t value, std::size_t least, std::size_t most) {
  if (value >= least && value <= most) return {};
  return invalid_field(field, fmt::format("{} is not {} to {}", value, least, most));
}

}  // namespace

Result<void> check(const PoolOptions& options) {
  WEIR_TRY(check("size_max", options.size_max, 1, 1'000));
  WEIR_TRY(check("size_min", options.size_min, 0, options.size_max));
  WEIR_TRY(check("waiting_max", options.waiting_max, 0, 100'000));
  WEIR_TRY(check("auto_prepare_max", options.auto_prepare_max, 0, 1'000));
  WEIR_TRY(check("auto_prepare_after", options.auto_prepare_after, 1, 1'000));
  if (!(options.lifetime_jitter >= 0 && options.lifetime_jitter <= 0.9)) {
    return invalid_field("lifetime_jitter",
                         fmt::format("{} is not 0 to 0.9", options.lifetime_jitter));
  }
  constexpr Milliseconds day = 24h;
  const Range ranges[] = {
      {"connection_timeout", options.connection_timeout, 1ms, 10min, false},
      {"command_timeout", options.command_timeout, 1ms, day, true},
      {"connection_lifetime", options.connection_lifetime, 1s, 7 * day, true},
      {"idle_lifetime", options.idle_lifetime, 1s, 7 * day, true},
      {"validate_after", options.validate_after, 1ms, day, true},
      {"keepalive", options.keepalive, 1s, day, true},
      {"leak_detection_threshold", options.leak_detection_threshold, 1ms, day, true},
  };
  for (const auto& range : ranges) WEIR_TRY(check(range));
  const auto& tcp = options.tcp;
  WEIR_TRY(check({"tcp.user_timeout", tcp.user_timeout, 100ms, 1h, true}));
  WEIR_TRY(check({"tcp.keepalive_idle", tcp.keepalive_idle, 1s, 2h, false}));
  WEIR_TRY(check({"tcp.keepalive_interval", tcp.keepalive_interval, 1s, 10min, false}));
  if (tcp.keepalive_count < 1 || tcp.keepalive_count > 100) {
    return invalid_field("tcp.keepalive_count",
                         fmt::format("{} is not 1 to 100", tcp.keepalive_count));
  }
  return {};
}

}  // namespace weir::sql
