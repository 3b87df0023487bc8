#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <weir/gateway/http_server.hpp>
#include <weir/gateway/socket.hpp>

namespace weir::gateway {

/// What the connections of a server share. Lives as long as any of them.
struct ConnectionContext {
  boost::asio::io_context io;
  Handler handler;
  std::atomic<std::uint64_t> requests{0};
  std::atomic<bool> stopping{false};
  /// No thread serves the sockets any longer: what was handed over now would never be done, and
  /// keep the connection for ever. Whoever hands something over holds `handing_over` shared.
  std::atomic<bool> stopped{false};
  std::shared_mutex handing_over;
};

/// One client's connection: reads a request, has it answered, goes on with the next. Bytes of the
/// next request wait in the socket and in one small buffer meanwhile, so memory is bounded.
/// Threads: everything runs on the socket's strand; start(), stop() and close() may be called from
/// any thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// What holds for a connection from its beginning to its end.
  struct Terms {
    std::shared_ptr<const HttpOptions> options;
    /// It shakes hands first; null: no TLS.
    std::shared_ptr<boost::asio::ssl::context> tls;
  };
  Connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<ConnectionContext> context,
             Terms terms, std::function<void(Connection*)> on_closed);

  void start();
  /// Closes it if it rests; otherwise tells the exchange, and closes after its answer.
  void stop();
  /// Closes it now.
  void close();

 private:
  friend class ConnectionExchange;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using ErrorCode = boost::system::error_code;
  enum class Phase : std::uint8_t {
    handshaking,
    resting,
    reading,
    handling,
    streaming,
    closing,
    closed,
  };
  /// What a client still sends when the connection is closed is read up to here, and let go.
  static constexpr std::size_t linger_bytes_max = 4 * 1024 * 1024;
  struct Output {
    std::string head;
    std::string body;
    std::string_view tail;
    UniqueFunction<void()> then;
  };

  // connection_tls.cpp: before the first request, and after the last answer.
  void shake_hands();
  void on_handshake_failed(ErrorCode error);
  void linger();
  void drain_below();
  void close_now();

  // connection_read.cpp: from bytes to a request.
  void rest();
  void watch();
  void on_watched(ErrorCode error, std::size_t bytes);
  void read_request();
  void on_head_read();
  void read_body();
  void on_read_failed(ErrorCode error);
  void handle_request();
  Result<HttpRequest> take_head() const;
  void note_origin();
  bool answer_preflight(const HttpRequest& request);
  void refuse(int status, std::string_view message);
  void refuse(HttpResponse response);

  // connection_write.cpp: from an exchange to bytes.
  void respond(HttpResponse response);
  void begin(StreamHead head, std::optional<std::chrono::milliseconds> delay);
  void send_stream_head();
  void write_stream(std::string bytes, UniqueFunction<void()> written);
  void end_stream();
  void fail(HttpResponse response, std::optional<std::string> last);
  std::string head_of(int status, const std::vector<Header>& headers, std::string_view framing);
  bool timer_is_due(const boost::asio::steady_timer& timer) const;
  void output(Output output);
  void output_chunk(std::string bytes, UniqueFunction<void()> written);
  void write_next();
  void arm_write_timer();
  void arm_filler_timer();
  void send_filler();
  void on_half_closed();
  void finish_exchange();
  void tell_ending(Ending ending);
  void client_gone();
  void begin_span(HttpRequest& request);
  std::string_view scheme() const { return socket_.has_tls() ? "https" : "http"; }
  void matched(std::string_view route);
  void summarize(int status);

  // First, because the sockets and timers below live in its io_context.
  const std::shared_ptr<ConnectionContext> context_;
  const std::shared_ptr<const HttpOptions> options_;
  Socket socket_;
  std::function<void(Connection*)> on_closed_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  /// What is known of the request that is being read.
  std::optional<HttpRequest> request_;
  boost::asio::steady_timer read_timer_;
  boost::asio::steady_timer write_timer_;
  /// Until a stream's head is due without anything behind it.
  boost::asio::steady_timer head_timer_;
  /// Until what means nothing is written, to find out whether the client is there.
  boost::asio::steady_timer filler_timer_;

  Phase phase_ = Phase::resting;
  /// The exchange that may speak now; later or earlier ones are not heard.
  std::uint64_t exchange_number_ = 0;
  UniqueFunction<void(Ending)> on_ending_;
  std::optional<StreamHead> head_;
  bool watching_ = false;
  /// The exchange has said its last word, which may still be on its way.
  bool answered_ = false;
  bool half_closed_ = false;
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool head_only_ = false;
  std::string peer_;
  std::string origin_;
  HttpSummary summary_;
  telemetry::Span span_;
  Instant request_read_{};
  std::deque<Output> outputs_;
  std::size_t drained_bytes_ = 0;
  /// Where drain_below() reads to; what came through TLS may still be written elsewhere.
  std::string drained_;
};

}  // namespace weir::gateway
