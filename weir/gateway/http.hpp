#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/unique_function.hpp>
#include <weir/telemetry/api/context.hpp>

namespace weir::gateway {

struct Header {
  std::string name;
  std::string value;
};

/// A request that has been read to its end. A value.
struct HttpRequest {
  /// In upper case: "GET".
  std::string method;
  /// As it was sent, percent-encoded: "/v1/logs/default/events", or "*".
  std::string path;
  /// Behind the "?", as it was sent.
  std::string query;
  std::vector<Header> headers;
  std::string body;
  /// The address that it came from, without a port: "192.0.2.7".
  std::string peer;
  /// Whose work it is: calls made for the request are made under this.
  telemetry::Context context;

  /// The first header of that name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
  /// The media type of the body in lower case without parameters.
  std::string content_type() const;
  /// Why the body can't be taken for plain JSON, naming the header (for status 415); nothing when
  /// it can.
  std::optional<std::string> not_json() const;
};

struct HttpResponse {
  int status = 200;
  /// Without Content-Length, Connection, Date and CORS headers: the server adds those.
  std::vector<Header> headers;
  std::string body;
};

/// A response whose length nobody knows yet.
struct StreamHead {
  int status = 200;
  std::vector<Header> headers;
  /// Bytes without meaning in the stream's format (an SSE comment, white space). They are sent to
  /// find out whether a client that has closed its side still reads. Empty: it is taken to be gone.
  std::string filler;
  /// The filler is also sent when nothing was written for this long. Absent: never.
  std::optional<std::chrono::milliseconds> filler_every;
};

/// Why nobody waits for an answer any longer.
enum class Ending : std::uint8_t {
  client_gone,  ///< the connection is lost; nothing that is written arrives
  stopping,     ///< the server stops; an endless stream should say so and end
};

/// The answer to one request: either respond(), or begin(), any number of write(), and end() or
/// fail(). Letting go of it without an answer is answered with status 500.
/// Threads: any. What comes too late (after the end, or with the client gone) is dropped, and a
/// write()'s callback with it.
class Exchange {
 public:
  virtual ~Exchange() = default;

  /// The route that was found for the request, for telemetry: "/v1/logs/{log}/events".
  virtual void matched(std::string_view) {}

  virtual void respond(HttpResponse response) = 0;

  /// Sends the head after the delay (absent: never), or with the first write() or the end() if that
  /// comes earlier.
  virtual void begin(StreamHead head, std::optional<std::chrono::milliseconds> delay) = 0;
  /// Calls `written` when the socket has taken the bytes. To bound memory, write the next then.
  /// Writing no bytes sends the head, if that has not been sent, and calls `written` at once.
  virtual void write(std::string bytes, UniqueFunction<void()> written) = 0;
  virtual void end() = 0;
  /// Gives up: answers with `response` when no head was sent; else ends the stream with `last`; or,
  /// without that, closes the connection so that the client sees that the stream was cut.
  virtual void fail(HttpResponse response, std::optional<std::string> last) = 0;

  /// Called at most once for each Ending, on a thread of the server. Set it before returning from
  /// the handler; it is let go of with the exchange.
  virtual void on_ending(UniqueFunction<void(Ending)> callback) = 0;
};

/// Answers a request: at once, or later from any thread. Must not block.
using Handler = std::function<void(HttpRequest request, std::shared_ptr<Exchange> exchange)>;

/// "Not Found" for 404.
std::string_view reason_phrase(int status);

}  // namespace weir::gateway
