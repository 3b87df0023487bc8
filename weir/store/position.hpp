#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace weir {

/// Where an event stands in its log: 1, 2, 3 ... without gaps. Zero is before the first event, so
/// it is what `head` is in an empty log and what `after` is for a read from the start.
struct Position {
  std::uint64_t value = 0;

  constexpr Position() = default;
  constexpr explicit Position(std::uint64_t v) : value(v) {}

  auto operator<=>(const Position&) const = default;
  constexpr Position next() const { return Position(value + 1); }
  constexpr Position previous() const { return Position(value == 0 ? 0 : value - 1); }
};

/// The highest position that every engine can keep.
inline constexpr Position position_max{static_cast<std::uint64_t>(INT64_MAX)};

/// A position that a database kept as a signed number.
constexpr Position position_of(std::int64_t kept) {
  return Position(static_cast<std::uint64_t>(kept));
}

/// A number that a caller gave; past the highest position there is nothing either.
constexpr Position to_position(std::uint64_t number) {
  return number < position_max.value ? Position(number) : position_max;
}

}  // namespace weir

template <>
struct std::hash<weir::Position> {
  std::size_t operator()(weir::Position p) const noexcept {
    return std::hash<std::uint64_t>()(p.value);
  }
};
