#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <charconv>

#include <fmt/format.h>

#include <weir/telemetry/otlp/transport.hpp>

namespace weir::telemetry::otlp {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;

struct Target {
  std::string host;
  std::string port;
  /// Without a slash at its end.
  std::string path;
};

Result<Target> parse_endpoint(std::string_view endpoint) {
  constexpr std::string_view scheme = "http://";
  if (!endpoint.starts_with(scheme)) {
    return invalid_field("endpoint", fmt::format("'{}' is not http://HOST:PORT", endpoint));
  }
  endpoint.remove_prefix(scheme.size());
  const auto slash = std::min(endpoint.find('/'), endpoint.size());
  auto authority = endpoint.substr(0, slash);
  Target target{.path = std::string(endpoint.substr(slash))};
  while (target.path.ends_with('/')) target.path.pop_back();
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.back() != ']';
  target.port = has_port ? std::string(authority.substr(colon + 1)) : "4318";
  if (has_port) authority = authority.substr(0, colon);
  if (authority.starts_with('[') && authority.ends_with(']')) {
    authority = authority.substr(1, authority.size() - 2);
  }
  target.host = std::string(authority);
  if (target.host.empty() || target.port.empty()) {
    return invalid_field("endpoint", "its host or port is missing");
  }
  return target;
}

Code code_of(int status) {
  switch (status) {
    case 400:
      return Code::invalid_argument;
    case 401:
      return Code::unauthenticated;
    case 403:
      return Code::permission_denied;
    case 404:
      return Code::not_found;
    case 429:
      return Code::resource_exhausted;
    case 502:
    case 503:
      return Code::unavailable;
    case 504:
      return Code::deadline_exceeded;
    default:
      return Code::unknown;
  }
}

Attempt failed(Code code, std::string message, bool retryable) {
  Attempt attempt;
  attempt.error = Error{.code = code, .message = std::move(message)};
  attempt.retryable = retryable;
  return attempt;
}

using Response = http::response<http::string_body>;

/// One request on a connection of its own: exports are seconds apart.
class Exchange {
 public:
  Exchange(asio::io_context& io, const Target& target)
      : target_(target), resolver_(io), stream_(io) {
    parser_.body_limit(response_bytes_max);
  }

  void start(http::request<http::string_body> request, Instant::duration patience) {
    request_ = std::move(request);
    stream_.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(patience));
    resolver_.async_resolve(target_.host, target_.port, [this](ErrorCode error, auto found) {
      if (error) return end(error, "can't find the host");
      stream_.async_connect(found, [this](ErrorCode failed, auto) {
        if (failed) return end(failed, "can't connect");
        write();
      });
    });
  }
  void cancel() {
    cancelled_ = true;
    resolver_.cancel();
    stream_.cancel();
  }

  Attempt attempt() const;

 private:
  void write() {
    http::async_write(stream_, request_, [this](ErrorCode error, std::size_t) {
      if (error) return end(error, "the request was cut off");
      http::async_read(stream_, buffer_, parser_, [this](ErrorCode failed, std::size_t) {
        end(failed, "there was no whole answer");
      });
    });
  }
  void end(ErrorCode error, const char* what) {
    error_ = error;
    what_ = what;
    done_ = true;
  }

  const Target& target_;
  asio::ip::tcp::resolver resolver_;
  beast::tcp_stream stream_;
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  beast::flat_buffer buffer_;
  ErrorCode error_;
  const char* what_ = "";
  bool done_ = false;
  bool cancelled_ = false;
};

Attempt Exchange::attempt() const {
  if (cancelled_) return failed(Code::cancelled, "given up", false);
  if (!done_ || error_ == beast::error::timeout) {
    return failed(Code::deadline_exceeded, "the receiver did not answer in time", true);
  }
  if (error_) {
    const bool too_long = error_ == http::error::body_limit;
    return failed(too_long ? Code::out_of_range : Code::unavailable,
                  fmt::format("{}: {}", what_, error_.message()), !too_long);
  }
  const auto& response = parser_.get();
  const int status = response.result_int();
  if (status >= 200 && status < 300) return Attempt{.body = response.body()};
  const bool retryable = status == 429 || status == 502 || status == 503 || status == 504;
  auto attempt =
      failed(code_of(status), fmt::format("the receiver answered {}", status), retryable);
  const auto after = response[http::field::retry_after];
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), seconds);
  if (error == std::errc{} && end == after.data() + after.size() && seconds >= 0) {
    attempt.error->retry_after = std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400));
  }
  return attempt;
}

class HttpTransport final : public Transport {
 public:
  HttpTransport(Target target, const OtlpSettings& settings, const Clock& clock)
      : target_(std::move(target)), headers_(settings.headers), clock_(clock) {}

  Attempt send(Signal signal, const std::string& body, Instant deadline,
               std::stop_token stop) override {
    http::request<http::string_body> request(
        http::verb::post, target_.path + (signal == Signal::traces ? "/v1/traces" : "/v1/metrics"),
        11);
    request.set(http::field::host, fmt::format("{}:{}", target_.host, target_.port));
    request.set(http::field::user_agent, "weir");
    request.set(http::field::content_type, "application/x-protobuf");
    request.set(http::field::connection, "close");
    for (const auto& [name, value] : headers_) request.set(name, value);
    request.body() = body;
    request.prepare_payload();

    asio::io_context io;
    Exchange exchange(io, target_);
    const std::stop_callback cancel(stop, [&] { asio::post(io, [&] { exchange.cancel(); }); });
    const auto patience = deadline - clock_.instant();
    if (patience <= Instant::duration(0)) {
      return failed(Code::deadline_exceeded, "no time was left", true);
    }
    exchange.start(std::move(request), patience);
    io.run_for(patience);
    return exchange.attempt();
  }

 private:
  const Target target_;
  const std::vector<std::pair<std::string, std::string>> headers_;
  const Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<Transport>> make_http_transport(const OtlpSettings& settings,
                                                       const Clock& clock) {
  WEIR_TRY_ASSIGN(target, parse_endpoint(settings.endpoint));
  return std::unique_ptr<Transport>(
      std::make_unique<HttpTransport>(std::move(target), settings, clock));
}

}  // namespace weir::telemetry::otlp
