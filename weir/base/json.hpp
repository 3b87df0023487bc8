#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir {

/// Nesting allowed in a JSON document that somebody stores.
inline constexpr std::size_t json_depth_max = 128;

/// Checks that `text` is one JSON document (RFC 8259, UTF-8), of any numbers, without building it.
/// `depth_max` is its nesting; at most 1024, as each level takes of the thread's stack.
/// Errors: invalid_argument saying what is wrong and at which byte, without a field's name.
Result<void> check_json(std::string_view text, std::size_t depth_max = json_depth_max);

/// Calls `visit(key, value)` for each top-level member of a JSON object whose value is a string,
/// both unescaped. Does nothing for documents of another kind, or that are not JSON.
void for_each_top_level_string(
    std::string_view text,
    const std::function<void(std::string_view key, std::string_view value)>& visit);

/// Appends `text` to `out` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

/// Whether `text` is UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

}  // namespace weir
