#include <weir/security/address.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace weir::security {
namespace {

bool is_loopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return v6.sin6_addr.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
  }
  return false;
}

}  // namespace

Result<HostPort> split_address(std::string_view address, std::string_view field) {
  const auto wrong = [&](std::string_view what) {
    return invalid_field(field, fmt::format("'{}' {}", address, what));
  };
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos) return wrong("is not HOST:PORT");
  HostPort out{.host = std::string(address.substr(0, colon))};
  if (out.host.starts_with('[') && out.host.ends_with(']')) {
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    return wrong("is not HOST:PORT: an IPv6 address is in brackets there, as in [::1]:8080");
  }
  const auto port = address.substr(colon + 1);
  const auto* end = port.data() + port.size();
  const auto read = std::from_chars(port.data(), end, out.port);
  if (read.ec != std::errc() || read.ptr != end) {
    return wrong("is not HOST:PORT, with a port from 0 to 65535");
  }
  return out;
}

Result<bool> is_loopback(const std::string& address, std::string_view field) {
  WEIR_TRY_ASSIGN(where, split_address(address, field));
  if (where.host.empty()) return false;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(where.host.c_str(), nullptr, &hints, &found); failed != 0) {
    return unavailable(
        fmt::format("{}: can't resolve '{}': {}", field, where.host, ::gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  for (const auto* each = found; each != nullptr; each = each->ai_next) {
    if (!is_loopback(*each->ai_addr)) return false;
  }
  return true;
}

}  // namespace weir::security
