#pragma once

#include <cstddef>
#include <string_view>

namespace weir {

/// Has the processor fetch what lies there, so that it is at hand when it is looked at soon.
inline void prefetch(const void* at) {
  __builtin_prefetch(at);
}

/// The same for the beginning of some bytes, at most so many lines of its cache.
inline void prefetch(std::string_view bytes, std::size_t lines_max) {
  constexpr std::size_t line = 64;
  for (std::size_t at = 0; at < bytes.size() && at < lines_max * line; at += line) {
    __builtin_prefetch(bytes.data() + at);
  }
}

}  // namespace weir
