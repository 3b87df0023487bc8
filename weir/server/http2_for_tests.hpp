#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::server {

/// A client of HTTP/2 (RFC 9113) that sends the frames that it is told to, however rude.
/// Every wait ends after ten seconds. Threads: one.
class Http2ForTests {
 public:
  enum Type : std::uint8_t {
    data = 0,
    headers = 1,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    continuation = 9,
  };
  static constexpr std::uint8_t ack = 1, end_stream = 1, end_headers = 4;

  struct Frame {
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
    std::string payload;
  };

  /// Connects to 127.0.0.1, and greets unless told to be silent.
  explicit Http2ForTests(int port, bool greets = true)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!greets) return;
    write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send({.type = settings});
  }
  ~Http2ForTests() { close(socket_); }
  Http2ForTests(const Http2ForTests&) = delete;
  Http2ForTests& operator=(const Http2ForTests&) = delete;

  bool connected() const { return connected_; }

  /// False when the server has closed the connection.
  bool send(const Frame& frame) {
    std::string bytes;
    const auto size = static_cast<std::uint32_t>(frame.payload.size());
    for (const int shift : {16, 8, 0}) bytes += static_cast<char>(size >> shift);
    bytes += static_cast<char>(frame.type);
    bytes += static_cast<char>(frame.flags);
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(frame.stream >> shift);
    return write(bytes + frame.payload);
  }

  /// A header block of any size, in as many frames as it takes.
  bool send_headers(std::uint32_t stream, const std::string& block, std::uint8_t flags) {
    constexpr std::size_t frame_max = 16'384;
    for (std::size_t at = 0; at < block.size(); at += frame_max) {
      Frame frame{.type = at == 0 ? headers : continuation,
                  .flags = at == 0 ? flags : std::uint8_t{0},
                  .stream = stream,
                  .payload = block.substr(at, frame_max)};
      if (at + frame_max >= block.size()) frame.flags |= end_headers;
      if (!send(frame)) return false;
    }
    return true;
  }

  /// The next frame; nothing when the connection was closed, or none came in time.
  std::optional<Frame> next() {
    if (!fill(9)) return std::nullopt;
    const auto byte = [this](std::size_t at) { return static_cast<std::uint8_t>(buffer_[at]); };
    const std::size_t size = std::size_t{byte(0)} << 16 | std::size_t{byte(1)} << 8 | byte(2);
    if (!fill(9 + size)) return std::nullopt;
    Frame frame{.type = byte(3), .flags = byte(4)};
    for (std::size_t at = 5; at < 9; ++at) frame.stream = frame.stream << 8 | byte(at);
    frame.payload = buffer_.substr(9, size);
    buffer_.erase(0, 9 + size);
    return frame;
  }
  /// The next of that type, answering none of the server's; nothing as with next().
  std::optional<Frame> next(Type type) {
    while (auto frame = next()) {
      if (frame->type == type) return frame;
    }
    return std::nullopt;
  }
  /// Whether the server closes the connection in time, whatever it says before.
  bool closed() {
    while (next()) {
    }
    return closed_;
  }

  /// HPACK (RFC 7541), literals without indexing.
  static std::string block(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
      out += '\0';
      for (const auto* text : {&name, &value}) out += length(text->size()) + *text;
    }
    return out;
  }

 private:
  static std::string length(std::size_t size) {
    constexpr std::size_t prefix = 127;
    if (size < prefix) return {static_cast<char>(size)};
    std::string out{static_cast<char>(prefix)};
    for (size -= prefix; size >= 128; size /= 128) out += static_cast<char>(size % 128 + 128);
    return out + static_cast<char>(size);
  }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool fill(std::size_t size) {
    while (buffer_.size() < size) {
      pollfd fd{.fd = socket_, .events = POLLIN, .revents = 0};
      if (poll(&fd, 1, 10'000) <= 0) return false;
      char bytes[4096];
      const auto received = recv(socket_, bytes, sizeof bytes, 0);
      closed_ = received <= 0;
      if (closed_) return false;
      buffer_.append(bytes, static_cast<std::size_t>(received));
    }
    return true;
  }

  int socket_;
  bool connected_ = false;
  bool closed_ = false;
  std::string buffer_;
};

}  // namespace weir::server
