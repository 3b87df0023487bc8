#include <weir/gateway/testing/http_client.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include <weir/base/assert.hpp>

namespace weir::gateway::testing {

HttpClient::HttpClient(std::uint16_t port, int receive_buffer_bytes) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (receive_buffer_bytes > 0) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  WEIR_ASSERT(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

HttpClient::~HttpClient() {
  close();
}

void HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // The server has closed; the answer, if any, tells why.
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void HttpClient::request(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view headers) {
  std::string out(method);
  out.append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n").append(headers);
  if (!body.empty() || method == "POST") {
    out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  send(out.append("\r\n").append(body));
}

bool HttpClient::receive() {
  char bytes[16 * 1024];
  const auto count = ::recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::string HttpClient::read_until(std::string_view mark) {
  auto at = buffer_.find(mark);
  while (at == std::string::npos) {
    if (!receive()) return std::exchange(buffer_, {});
    at = buffer_.find(mark);
  }
  return take(at + mark.size());
}

std::string HttpClient::take(std::size_t bytes) {
  while (buffer_.size() < bytes && receive()) {
  }
  auto out = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return out;
}

Answer HttpClient::answer(bool head) {
  Answer out;
  std::string text;
  do {
    text = read_until("\r\n\r\n");
    if (!text.starts_with("HTTP/1.")) return out;
    out.status = std::stoi(text.substr(9, 3));
  } while (out.status < 200);
  for (std::size_t at = text.find("\r\n") + 2; at + 2 < text.size();) {
    const auto end = text.find("\r\n", at);
    const auto colon = text.find(": ", at);
    auto name = text.substr(at, colon - at);
    for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.headers[name] = text.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  out.complete = true;
  if (head || out.status == 204) return out;
  if (const auto length = out.headers.find("content-length"); length != out.headers.end()) {
    const auto bytes = std::stoul(length->second);
    out.body = take(bytes);
    out.complete = out.body.size() == bytes;
    return out;
  }
  for (;;) {
    const auto line = read_until("\r\n");
    if (!line.ends_with("\r\n")) return out.complete = false, out;
    const auto bytes = std::stoul(line, nullptr, 16);
    const auto chunk = take(bytes + 2);
    if (chunk.size() != bytes + 2) return out.complete = false, out;
    if (bytes == 0) return out;
    out.body += chunk.substr(0, bytes);
  }
}

Answer HttpClient::get(std::string_view target, std::string_view headers) {
  request("GET", target, {}, headers);
  return answer();
}

Answer HttpClient::post(std::string_view target, std::string_view body, std::string_view headers) {
  request("POST", target, body, headers);
  return answer();
}

bool HttpClient::closed() {
  char byte = 0;
  for (;;) {
    const auto count = ::recv(socket_, &byte, 1, 0);
    if (count == 0) return true;
    if (count < 0) return errno == ECONNRESET;
  }
}

void HttpClient::half_close() {
  ::shutdown(socket_, SHUT_WR);
}

void HttpClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void HttpClient::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

}  // namespace weir::gateway::testing
