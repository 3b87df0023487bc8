#pragma once

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weir/base/result.hpp>

namespace weir {

/// What `make` returns, which begins threads. Errors: unavailable, when the system has none left
/// (a limit of the user, of the service or of the container); what was made until then is gone.
template <class Make>
auto begin_threads(Make&& make) -> Result<decltype(make())> {
  try {
    return std::forward<Make>(make)();
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) throw;
    return unavailable("no thread is left: a limit of the system or the service is reached");
  }
}

}  // namespace weir
