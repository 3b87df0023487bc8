#pragma once

#include <string>

namespace weir::security {

/// Whether all that HOST:PORT (or [IPV6]:PORT) stands for can be reached from this machine only:
/// 127.0.0.0/8, ::1, and names all of whose addresses are these. A host that can't be resolved is
/// not. May ask the resolver.
bool is_loopback(const std::string& address);

}  // namespace weir::security
