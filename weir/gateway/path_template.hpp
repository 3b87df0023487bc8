#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/result.hpp>

namespace weir::gateway {

/// A path of google.api.http: "/v1/logs/{log}/events:read", "/v1/{name=shelves/*/books/**}".
/// A value: immutable once made. Threads: any.
class PathTemplate {
 public:
  /// Field path and decoded value.
  using Bindings = std::vector<std::pair<std::string, std::string>>;

  /// Errors: invalid_argument saying what is wrong with the template.
  static Result<PathTemplate> parse(std::string_view text);

  /// What the variables stand for in this path (percent-encoded, without the query). A variable
  /// of one segment is decoded fully; in one of several, %2F stays. A "*" takes a segment that is
  /// not empty, "**" any number of segments.
  /// Nothing when the path doesn't match, or has a "%" without two digits after it.
  std::optional<Bindings> match(std::string_view path) const;

  /// The field paths of its variables, in order.
  std::vector<std::string> variables() const;

  /// The same with each variable as "{name}", as OpenAPI wants it.
  std::string simple() const;

  /// Whether this one should be tried before the other: more literal from the left.
  bool more_specific_than(const PathTemplate& other) const;

 private:
  enum class Kind : std::uint8_t { literal, one, rest };
  struct Segment {
    Kind kind;
    std::string literal;
  };
  struct Variable {
    std::string field;
    std::size_t begin;
    std::size_t end;
  };
  class Parser;

  std::vector<Segment> segments_;
  std::vector<Variable> variables_;
  std::string verb_;
};

}  // namespace weir::gateway
