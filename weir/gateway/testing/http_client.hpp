#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace weir::gateway::testing {

struct Answer {
  int status = 0;
  /// Names in lower case.
  std::map<std::string, std::string> headers;
  std::string body;
  /// False when the connection ended before the body did.
  bool complete = false;
};

/// A blocking TCP connection to 127.0.0.1 that speaks as much HTTP as a test wants.
/// Every wait ends after ten seconds. Threads: one.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port, int receive_buffer_bytes = 0);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void send(std::string_view bytes);
  /// Sends a request with Host and, when there is a body or a method that has one, Content-Length.
  void request(std::string_view method, std::string_view target, std::string_view body = {},
               std::string_view headers = {});
  /// The next answer; interim ones are passed over.
  Answer answer(bool head = false);
  /// Both.
  Answer get(std::string_view target, std::string_view headers = {});
  Answer post(std::string_view target, std::string_view body,
              std::string_view headers = "Content-Type: application/json\r\n");

  /// Everything up to and with the mark; what came when it never comes.
  std::string read_until(std::string_view mark);
  /// Whether the server has closed the connection, after passing over what still comes.
  bool closed();

  void half_close();
  void close();
  /// Closes with a reset, as a killed process with unread data does.
  void reset();

 private:
  bool receive();
  std::string take(std::size_t bytes);

  int socket_ = -1;
  std::string buffer_;
};

/// Waits up to ten seconds for the condition. False when it did not come true.
bool eventually(const std::function<bool()>& condition);

}  // namespace weir::gateway::testing
