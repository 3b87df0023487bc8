#pragma once

namespace weir {

/// Prints the condition with its place to standard error and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace weir

/// Guards against our own mistakes, never against input. Stays on in release builds: a store that
/// goes on after one of these would record something wrong.
#define WEIR_ASSERT(condition)                         \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::weir::assertion_failed(#condition, __FILE__, __LINE__))
