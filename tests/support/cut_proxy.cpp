#include <tests/support/cut_proxy.hpp>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace weir::testing_support {
namespace {

constexpr int poll_ms = 20;

sockaddr_in address_of(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

bool send_all(int to, const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const auto sent = send(to, data, bytes, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
  return true;
}

/// The system drops every packet that comes for the socket before it is acknowledged.
void make_deaf(int socket) {
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &nothing};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    std::perror("SO_ATTACH_FILTER");
    std::abort();
  }
}

}  // namespace

int silent_listener() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = address_of("127.0.0.1", 0);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, raw, sizeof address) != 0 || listen(listener, 64) != 0) std::abort();
  return listener;
}

int port_of(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) std::abort();
  return ntohs(address.sin_port);
}

CutProxy::CutProxy(std::string host, int port)
    : host_(std::move(host)),
      server_port_(port),
      listener_(silent_listener()),
      port_(port_of(listener_)) {
  acceptor_ = std::thread([this] { accept_all(); });
}

CutProxy::~CutProxy() {
  stopping_ = true;
  acceptor_.join();
  for (auto& connection : connections_) connection.join();
  close(listener_);
}

void CutProxy::cut_after(Way way, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  armed_ = true;
  way_ = way;
  cut_at_ = count(way) + bytes;
}

void CutProxy::cut_now() {
  ++generation_;
  ++cuts_;
}

void CutProxy::calm() {
  const std::lock_guard lock(mutex_);
  armed_ = false;
}

void CutProxy::delay(Delay delay) {
  const std::lock_guard lock(mutex_);
  delay_ = delay;
}

std::chrono::milliseconds CutProxy::time_of_next() {
  const std::lock_guard lock(mutex_);
  const bool lost = static_cast<double>(chance_()) / std::minstd_rand::max() < delay_.lost;
  return lost ? delay_.each + delay_.resent_after : delay_.each;
}

void CutProxy::accept_all() {
  while (!stopping_) {
    pollfd fd{.fd = listener_, .events = POLLIN, .revents = 0};
    if (poll(&fd, 1, poll_ms) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (refusing_)
      close(client);
    else
      connections_.emplace_back([this, client] { serve(client); });
  }
}

void CutProxy::serve(int client) {
  const int generation = generation_;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = address_of(host_, server_port_);
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  bool deaf = false;
  while (open && !stopping_ && generation == generation_) {
    pollfd fds[2] = {{.fd = client, .events = POLLIN, .revents = 0},
                     {.fd = server, .events = POLLIN, .revents = 0}};
    if (black_hole_ && !std::exchange(deaf, true)) make_deaf(client);
    if (poll(fds, 2, poll_ms) <= 0) continue;
    if (swallowing_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(poll_ms));
      continue;
    }
    if (fds[0].revents != 0) open = forward(client, server, Way::to_server);
    if (open && fds[1].revents != 0) open = forward(server, client, Way::to_client);
  }
  close(client);
  close(server);
}

bool CutProxy::forward(int from, int to, Way way) {
  char buffer[65536];
  const auto received = recv(from, buffer, sizeof buffer, 0);
  if (received <= 0) return false;
  if (const auto time = time_of_next(); time.count() > 0) std::this_thread::sleep_for(time);
  auto bytes = static_cast<std::size_t>(received);
  bool cut = false;
  {
    const std::lock_guard lock(mutex_);
    if (armed_ && way == way_ && count(way) + bytes > cut_at_) {
      bytes = static_cast<std::size_t>(cut_at_ - std::min<std::uint64_t>(cut_at_, count(way)));
      cut = true;
      armed_ = false;
    }
    count(way) += bytes;
  }
  const bool sent = send_all(to, buffer, bytes);
  if (cut) {
    ++generation_;
    ++cuts_;
  }
  return sent && !cut;
}

}  // namespace weir::testing_support
