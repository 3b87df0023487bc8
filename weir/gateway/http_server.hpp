#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/gateway/http.hpp>
#include <weir/security/tls_files.hpp>
#include <weir/telemetry/api/tracer.hpp>

namespace weir::gateway {

/// What a request came to, for telemetry.
struct HttpSummary {
  std::string method;
  /// "http" or "https".
  std::string_view scheme;
  std::string path;
  /// "/v1/logs/{log}/events"; empty when there is none for the path.
  std::string route;
  int status = 0;
  std::size_t request_bytes = 0;
  std::uint64_t response_bytes = 0;
  /// From the last byte of the request to the last byte of the response.
  std::chrono::nanoseconds duration{};
  /// The span that the request was.
  telemetry::SpanContext span;
};

struct HttpOptions {
  /// HOST:PORT, [IPV6]:PORT; port 0 takes any free one. Default 127.0.0.1:8080.
  std::string address = "127.0.0.1:8080";
  /// Threads that serve sockets. Range 1 to 64. Default 2.
  std::size_t threads = 2;
  /// Connections at a time; one more is answered with 503. Range 1 to 1,000,000. Default 10,000.
  std::size_t connections_max = 10'000;
  /// Bytes of a request's line and headers; more is answered with 431. At least 1024.
  /// Default 32 KiB.
  std::size_t header_bytes_max = 32 * 1024;
  /// Headers of a request; more is answered with 431. Range 1 to 10,000. Default 100.
  std::size_t headers_max = 100;
  /// Bytes of a request's body; more is answered with 413. Default 32 MiB.
  std::size_t body_bytes_max = 32 * 1024 * 1024;
  /// How long a connection may rest between requests. Default 75 s.
  std::chrono::milliseconds idle_timeout{75'000};
  /// How long a request may take to arrive, from its first byte; later is answered with 408.
  /// Default 30 s.
  std::chrono::milliseconds read_timeout{30'000};
  /// How long a client may take nothing of what is written to it. Default 2 min.
  std::chrono::milliseconds write_timeout{120'000};
  /// Serve HTTPS with this. Default: plain HTTP.
  std::optional<security::TlsMaterial> tls = std::nullopt;
  /// Take the last address of X-Forwarded-For for the one that a request came from. Only behind a
  /// proxy that sets it: otherwise any client can be whom it likes. Default false.
  bool trust_forwarded = false;
  /// Origins that browsers may call from ("https://a.example", or "*"). Default none: no CORS.
  std::vector<std::string> cors_origins;
  /// Let their pages send cookies and client certificates. Not with "*". Default: they may not.
  bool cors_credentials = false;
  /// Asked about each request with a body before that is read, with what came before it. An answer
  /// is sent, and the connection closed. Must not block. Default: all bodies are read.
  std::function<std::optional<HttpResponse>(const HttpRequest& head)> before_body;
  /// Told of each response when it has been sent or given up. Must not block. Default: nobody.
  std::function<void(const HttpSummary&)> on_response;
  /// Makes a span of each request. Must outlive the server. Default: none are made.
  telemetry::Tracer* tracer = &telemetry::no_tracer();
  /// Default: the machine's clocks.
  const Clock* clock = &system_clock();
};

/// Errors: invalid_argument, naming the option ("http.threads") and its range.
Result<void> check(const HttpOptions& options);

/// An HTTP/1.1 server: keep-alive, pipelined requests one after the other, chunked and endless
/// responses with backpressure, with TLS 1.2 or 1.3 or without.
/// Threads: any; the handler is called on the server's own threads and must not block.
/// Errors: invalid_argument naming the option; unavailable when the address can't be had.
class HttpServer {
 public:
  struct Stats {
    std::size_t connections_open = 0;
    std::uint64_t connections_refused = 0;
    std::uint64_t requests = 0;
  };

  /// Listens when it returns.
  static Result<std::unique_ptr<HttpServer>> create(HttpOptions options, Handler handler);

  /// Stops at once if stop() was not called.
  ~HttpServer();

  /// Where it listens, with the real port: "127.0.0.1:40123". The host is as it was given.
  const std::string& address() const;
  std::uint16_t port() const;
  Stats stats() const;

  /// Connections that begin from now on are shown this certificate. Only for a server that was
  /// made with one. Errors: invalid_argument; then nothing has changed.
  Result<void> replace_tls(const security::TlsMaterial& material);

  /// Connections that begin from now on have these limits, timeouts and origins; the other options
  /// stay. Errors: invalid_argument; then nothing has changed.
  Result<void> replace_limits(const HttpOptions& limits);

  /// Stops accepting, closes connections that rest, tells exchanges (Ending::stopping), waits until
  /// they have answered but at most `grace`, then closes what is left. Not on a server's thread.
  void stop(std::chrono::milliseconds grace);

  class State;

 private:
  explicit HttpServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace weir::gateway
