#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weir {

/// Degraded still serves, but somebody should look at it before it no longer does.
enum class HealthStatus : std::uint8_t { healthy, degraded, unhealthy };

constexpr std::string_view to_string(HealthStatus status) {
  switch (status) {
    case HealthStatus::healthy:
      return "healthy";
    case HealthStatus::degraded:
      return "degraded";
    case HealthStatus::unhealthy:
      return "unhealthy";
  }
  return "unhealthy";
}

using HealthValue = std::variant<bool, std::int64_t, double, std::string>;

/// How one part stands.
struct HealthCheck {
  /// "store", "pool".
  std::string name;
  HealthStatus status = HealthStatus::healthy;
  /// Why it is not healthy; empty when it is.
  std::string reason = {};
  /// Names end in their unit: disk_free_bytes, took_seconds.
  std::vector<std::pair<std::string, HealthValue>> data = {};

  /// Makes it at least so bad. The worst reason stays.
  void worsen(HealthStatus to, std::string why) {
    if (to <= status) return;
    status = to;
    reason = std::move(why);
  }
};

}  // namespace weir
