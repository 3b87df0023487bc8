#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>

namespace weir::security {

struct HostPort {
  /// A name or an address, without brackets. Empty: all addresses of this machine.
  std::string host;
  std::uint16_t port = 0;
};

/// Takes HOST:PORT or [IPV6]:PORT apart. Errors: invalid_argument naming the field.
Result<HostPort> split_address(std::string_view address, std::string_view field);

/// Whether all that HOST:PORT (or [IPV6]:PORT) stands for can be reached from this machine only:
/// 127.0.0.0/8, ::1, and names all of whose addresses are these. May ask the resolver.
/// Errors, naming the field: invalid_argument; unavailable when there is no such host.
Result<bool> is_loopback(const std::string& address, std::string_view field);

}  // namespace weir::security
