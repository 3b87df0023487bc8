#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace weir::telemetry {

/// What an attribute may say. A text is copied by whoever keeps it.
using AttributeValue = std::variant<bool, std::int64_t, double, std::string_view>;

/// A named fact about a span, a span's event, a link or a resource: {"db.system.name", "sqlite"}.
/// A view: it lives as long as its texts do.
struct Attribute {
  std::string_view key;
  AttributeValue value;
};

using Attributes = std::span<const Attribute>;

}  // namespace weir::telemetry
