#include <weir/server/acceptor.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <weir/base/assert.hpp>
#include <weir/base/descriptors.hpp>
#include <weir/base/time.hpp>
#include <weir/security/address.hpp>

namespace weir::server {
namespace {

/// How often it is looked whether there are descriptors again.
constexpr int looks_every_ms = 50;

std::string system_text(int error) {
  return std::generic_category().message(error);
}

/// An address to listen on, of any family.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  int family() const { return address.ss_family; }
  void set_port(std::uint16_t port) {
    // The port lies at the same place in both.
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
};

Endpoint all_addresses() {
  sockaddr_in6 all{};
  all.sin6_family = AF_INET6;
  Endpoint out{.size = sizeof all};
  std::memcpy(&out.address, &all, sizeof all);
  return out;
}

Result<std::vector<Endpoint>> resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); failed != 0) {
    return unavailable(
        fmt::format("grpc.address: can't resolve '{}': {}", host, ::gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  std::vector<Endpoint> out;
  for (const auto* each = found; each != nullptr; each = each->ai_next) {
    Endpoint endpoint{.size = each->ai_addrlen};
    std::memcpy(&endpoint.address, each->ai_addr, each->ai_addrlen);
    out.push_back(endpoint);
  }
  return out;
}

/// The error of the system, or the listening socket.
struct Listening {
  int socket = -1;
  int error = 0;
};

Listening listen_on(const Endpoint& endpoint, const AcceptorOptions& options) {
  const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const int made = ::socket(endpoint.family(), type, 0);
  if (made < 0) return {.error = errno};
  const auto set = [made](int level, int name, int value) {
    return ::setsockopt(made, level, name, &value, sizeof value) == 0;
  };
  const auto patience = static_cast<int>(options.unacknowledged_max.count());
  const bool both =
      endpoint.family() == AF_INET6 &&
      IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(endpoint.address).sin6_addr);
  // Connections get what their listener has.
  const bool ready =
      set(SOL_SOCKET, SO_REUSEADDR, 1) && set(IPPROTO_TCP, TCP_NODELAY, 1) &&
      set(IPPROTO_TCP, TCP_USER_TIMEOUT, patience) &&
      (endpoint.family() != AF_INET6 || set(IPPROTO_IPV6, IPV6_V6ONLY, both ? 0 : 1)) &&
      ::bind(made, endpoint.get(), endpoint.size) == 0 && ::listen(made, SOMAXCONN) == 0;
  if (ready) return {.socket = made};
  const int error = errno;
  ::close(made);
  return {.error = error};
}

Result<std::uint16_t> port_of(int listener) {
  Endpoint bound{.size = sizeof(sockaddr_storage)};
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&bound.address), &bound.size) != 0) {
    return unavailable("grpc.address: " + system_text(errno));
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(bound.address).sin_port);
}

/// Whether an address is none of this machine's: a name may have such beside others.
bool is_elsewhere(int error) {
  return error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

/// A new file has the lowest number that is free: with one of the last, nearly all are taken.
bool is_one_of_the_last(int socket) {
  const auto all = descriptors_max();
  return static_cast<std::size_t>(socket) >= all - std::min<std::size_t>(64, all / 4);
}

void say(LineBudget& lines, std::string_view what) {
  const auto told = lines.take(system_clock().instant());
  if (told == 0) return;
  auto line = fmt::format("grpc: {}: this process may have {} files open", what, descriptors_max());
  if (told > 1) line += fmt::format("; {} more times since the last line", told - 1);
  spdlog::warn(line);
}

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::listen(const AcceptorOptions& options) {
  WEIR_TRY_ASSIGN(where, security::split_address(options.address, "grpc.address"));
  if (where.host.empty()) {
    return invalid_field("grpc.address", fmt::format("'{}' is without a host", options.address));
  }
  WEIR_TRY_ASSIGN(endpoints, resolve(where.host));
  auto made = std::unique_ptr<Acceptor>(new Acceptor);
  made->port_ = where.port;
  // As in gRPC's own listener, "all addresses" are those of both families, where there are two.
  const bool all = where.host == "0.0.0.0" || where.host == "::";
  if (all) endpoints.insert(endpoints.begin(), all_addresses());
  int error = EADDRNOTAVAIL;
  for (auto& endpoint : endpoints) {
    endpoint.set_port(made->port_);
    const auto one = listen_on(endpoint, options);
    if (one.socket < 0 && is_elsewhere(one.error)) continue;
    if (one.socket < 0) {
      error = one.error;
      made->stop();
      break;
    }
    made->listeners_.push_back(one.socket);
    WEIR_TRY_ASSIGN(port, port_of(one.socket));
    made->port_ = port;
    if (all) break;
  }
  if (made->listeners_.empty()) {
    return unavailable(
        fmt::format("can't listen on {}: {}{}", options.address, system_text(error),
                    error == EADDRINUSE ? ": is another server running there?" : ""));
  }
  made->stopping_ = ::eventfd(0, EFD_CLOEXEC);
  if (made->stopping_ < 0) {
    return unavailable(fmt::format("can't listen on {}: {}", options.address, system_text(errno)));
  }
  return made;
}

Acceptor::~Acceptor() {
  stop();
}

void Acceptor::start(Take take) {
  thread_ = std::thread([this, take = std::move(take)] { run(take); });
}

void Acceptor::stop() {
  if (thread_.joinable()) {
    const auto told = ::eventfd_write(stopping_, 1);
    WEIR_ASSERT(told == 0);
    thread_.join();
  }
  for (const int listener : std::exchange(listeners_, {})) ::close(listener);
  if (const int stopping = std::exchange(stopping_, -1); stopping >= 0) ::close(stopping);
}

void Acceptor::run(const Take& take) {
  pthread_setname_np(pthread_self(), "weir-accept");
  std::vector<pollfd> all = {{.fd = stopping_, .events = POLLIN, .revents = 0}};
  for (const int listener : listeners_) {
    all.push_back({.fd = listener, .events = POLLIN, .revents = 0});
  }
  bool full = false;
  while (true) {
    // With no descriptors or memory left a listener stays readable: only the end is waited for, for
    // a while.
    const int ready = ::poll(all.data(), full ? 1 : all.size(), full ? looks_every_ms : -1);
    WEIR_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM);
    if (ready < 0) {
      full = errno == ENOMEM;
      continue;
    }
    if (all.front().revents != 0) return;
    full = false;
    for (std::size_t i = 1; i < all.size() && !full; ++i) full = !accept_from(all[i].fd, take);
  }
}

/// False when there are no descriptors.
bool Acceptor::accept_from(int listener, const Take& take) {
  const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) {
    const bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (full) say(lines_, "connections wait for file descriptors");
    return !full;  // any other error is of that one connection, which has gone again
  }
  if (is_one_of_the_last(socket)) {
    ::close(socket);
    say(lines_, "a connection was turned away, to leave the last file descriptors to others");
    return true;
  }
  take(socket);
  return true;
}

}  // namespace weir::server
