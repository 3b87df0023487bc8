#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::gateway {

/// Walks a JSON document that weir::check_json() has accepted, value by value, and can hand out the
/// exact source text of any of them. Not for text that was not checked: it relies on its shape.
/// Threads: one. Views point into the text, which must outlive it.
class JsonCursor {
 public:
  enum class Kind : std::uint8_t { object, array, string, number, boolean, null };

  explicit JsonCursor(std::string_view text);

  /// Of the value at which it stands.
  Kind kind() const;

  /// The value's source, without the white space around it, and how many levels it nests, 0 for
  /// what is no object and no array. Moves past it.
  std::string_view raw(std::size_t* levels = nullptr);

  /// The content of a string, unescaped. Moves past it.
  std::string string();

  /// Steps into an object or an array; then next_member() or next_element() until false.
  void enter();
  /// Stands at the member's value and has its name, or moves past the object's end.
  bool next_member(std::string& name);
  bool next_element();

 private:
  void skip_space();
  void skip_string();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// "a string", "an object" ... for messages.
std::string_view name_of(JsonCursor::Kind kind);

}  // namespace weir::gateway
