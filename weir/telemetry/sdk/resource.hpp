#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <weir/telemetry/api/attribute.hpp>

namespace weir::telemetry {

/// An attribute that owns its texts.
using OwnedValue = std::variant<bool, std::int64_t, double, std::string>;
struct OwnedAttribute {
  std::string key;
  OwnedValue value;

  bool operator==(const OwnedAttribute&) const = default;
};

inline OwnedValue owned(const AttributeValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  return std::get<double>(value);
}

/// Who reports: service.name and the like. A value.
struct Resource {
  std::vector<OwnedAttribute> attributes;

  /// Replaces what is there under the key.
  void set(std::string key, OwnedValue value) {
    for (auto& attribute : attributes) {
      if (attribute.key == key) {
        attribute.value = std::move(value);
        return;
      }
    }
    attributes.push_back({std::move(key), std::move(value)});
  }
};

}  // namespace weir::telemetry
