#pragma once

#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir::io {

/// Takes a JSON text apart where it lies. Values come as exact slices, so that a number of forty
/// digits stays one. Finds where things end; whether a slice is valid JSON inside is check_json()'s
/// business. The text must be UTF-8 and outlive the cursor.
/// Threads: one at a time.
/// Errors: invalid_argument saying what was expected and at which byte, without a field's name.
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : text_(text) {}

  /// Takes `c` after white space, if it is what comes next.
  bool take(char c);
  Result<void> expect(char c);
  /// Only white space is left.
  bool at_end();

  /// A string, unescaped. Half surrogate pairs are errors.
  Result<std::string> string();
  /// The next value, whatever it is, as it stands there without the space around it.
  Result<std::string_view> value();
  /// A whole number without sign, fraction or exponent.
  Result<std::uint64_t> number();

 private:
  void skip_space();
  Error expected(std::string_view what) const;
  Result<void> skip_string();
  Result<void> escape(std::string& out);
  Result<std::uint32_t> four_digits();

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace weir::io
