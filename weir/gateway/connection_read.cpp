#include <weir/gateway/connection.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/dispatch.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>

#include <weir/base/excerpt.hpp>
#include <weir/gateway/connection_exchange.hpp>
#include <weir/gateway/errors.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::gateway {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t watch_bytes = 8 * 1024;

class RequestHeaders final : public telemetry::TextMapCarrier {
 public:
  explicit RequestHeaders(const HttpRequest& request) : request_(request) {}
  std::string_view get(std::string_view name) const override {
    const auto value = request_.header(name);
    const bool own = name == telemetry::correlation_header || name == telemetry::causation_header;
    return value.empty() && own ? request_.header("x-" + std::string(name)) : value;
  }
  void set(std::string_view, std::string_view) override {}

 private:
  const HttpRequest& request_;
};

/// The last address of the last X-Forwarded-For, which the nearest proxy wrote; empty when there is
/// none, or no address.
std::string_view forwarded_for(const HttpRequest& request) {
  std::string_view last;
  for (const auto& [name, value] : request.headers) {
    if (boost::beast::iequals(name, "X-Forwarded-For")) last = value;
  }
  const auto comma = last.rfind(',');
  if (comma != std::string_view::npos) last.remove_prefix(comma + 1);
  while (last.starts_with(' ')) last.remove_prefix(1);
  while (last.ends_with(' ')) last.remove_suffix(1);
  const bool address = last.find_first_not_of("0123456789abcdefABCDEF.:") == last.npos;
  return address ? last : std::string_view();
}

struct Refusal {
  int status;
  std::string message;
};

std::string_view trimmed(std::string_view text) {
  const auto from = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(from, text.find_last_not_of(" \t") + 1 - from);
}

/// Where a body ends must be beyond doubt: what one server takes for the body's rest, another in
/// front of it may have taken for the next request. RFC 9112, 6.1 and 6.3.
std::optional<Refusal> framing_refusal(const http::request_parser<http::string_body>& parser) {
  const auto& fields = parser.get();
  const auto given = fields.equal_range(http::field::transfer_encoding);
  if (given.first == given.second) return {};
  if (fields.version() < 11) return Refusal{400, "Transfer-Encoding: HTTP/1.0 has none"};
  if (fields.count(http::field::content_length) > 0) {
    return Refusal{400, "Transfer-Encoding: not together with Content-Length"};
  }
  bool chunked = false;
  std::string unknown;
  for (auto field = given.first; field != given.second; ++field) {
    std::string_view list(field->value().data(), field->value().size());
    while (!list.empty()) {
      const auto coding = trimmed(list.substr(0, list.find(',')));
      list.remove_prefix(std::min(list.find(','), list.size() - 1) + 1);
      if (coding.empty()) continue;
      if (chunked) return Refusal{400, "Transfer-Encoding: chunked must be the last coding"};
      chunked = boost::beast::iequals(coding, "chunked");
      if (!chunked) unknown = coding;
    }
  }
  if (!unknown.empty()) {
    return Refusal{501, fmt::format("Transfer-Encoding: only chunked is understood, not {}",
                                    excerpt(unknown, 64))};
  }
  if (!chunked || !parser.chunked()) return Refusal{400, "Transfer-Encoding: expected chunked"};
  return {};
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<ConnectionContext> context,
                       Terms terms, std::function<void(Connection*)> on_closed)
    : context_(std::move(context)),
      options_(std::move(terms.options)),
      socket_(std::move(socket), std::move(terms.tls)),
      on_closed_(std::move(on_closed)),
      buffer_(options_->header_bytes_max + 64 * 1024),
      read_timer_(socket_.get_executor()),
      write_timer_(socket_.get_executor()),
      head_timer_(socket_.get_executor()),
      filler_timer_(socket_.get_executor()) {
  ErrorCode gone_already;
  const auto peer = socket_.tcp().remote_endpoint(gone_already);
  if (!gone_already) peer_ = peer.address().to_string();
}

void Connection::start() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    self->socket_.has_tls() ? self->shake_hands() : self->rest();
  });
}

void Connection::stop() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    const bool idle = self->phase_ == Phase::resting || self->phase_ == Phase::handshaking;
    if (idle) return self->close_now();
    self->tell_ending(Ending::stopping);
  });
}

void Connection::close() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] { self->client_gone(); });
}

bool Connection::timer_is_due(const asio::steady_timer& timer) const {
  // A timer's callback may already be on its way when it is set anew.
  return phase_ != Phase::closed && timer.expiry() <= options_->clock->instant();
}

void Connection::rest() {
  if (context_->stopping) return close_now();
  phase_ = Phase::resting;
  if (buffer_.size() > 0) return read_request();
  if (half_closed_) return linger();
  read_timer_.expires_after(options_->idle_timeout);
  read_timer_.async_wait([self = shared_from_this()](ErrorCode) {
    if (self->phase_ == Phase::resting && self->timer_is_due(self->read_timer_)) self->close_now();
  });
  if (!watching_) watch();
}

void Connection::watch() {
  watching_ = true;
  socket_.async_read_some(buffer_.prepare(watch_bytes),
                          [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
                            self->on_watched(error, bytes);
                          });
}

void Connection::on_watched(ErrorCode error, std::size_t bytes) {
  watching_ = false;
  buffer_.commit(bytes);
  switch (phase_) {
    case Phase::closed:
    case Phase::reading:
      return;
    case Phase::handshaking:
      return;
    case Phase::closing:
      buffer_.consume(buffer_.size());
      if (socket_.has_tls()) return;
      drained_bytes_ += bytes;
      return error || drained_bytes_ > linger_bytes_max ? close_now() : watch();
    case Phase::resting:
      return error ? close_now() : read_request();
    case Phase::handling:
    case Phase::streaming:
      if (error == asio::error::eof) return on_half_closed();
      if (error) client_gone();
      // What came is the next request: it waits until this one is answered.
  }
}

void Connection::read_request() {
  phase_ = Phase::reading;
  answered_ = false;
  head_.reset();
  request_.reset();
  origin_.clear();
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(options_->header_bytes_max));
  parser_->body_limit(options_->body_bytes_max);
  read_timer_.expires_after(options_->read_timeout);
  read_timer_.async_wait([self = shared_from_this()](ErrorCode) {
    if (self->phase_ != Phase::reading || !self->timer_is_due(self->read_timer_)) return;
    self->refuse(408, fmt::format("the request did not arrive within {} ms",
                                  self->options_->read_timeout.count()));
  });
  http::async_read_header(socket_, buffer_, *parser_,
                          [self = shared_from_this()](ErrorCode error, std::size_t) {
                            if (self->phase_ != Phase::reading) return;
                            if (error) return self->on_read_failed(error);
                            self->on_head_read();
                          });
}

void Connection::on_head_read() {
  const auto& fields = parser_->get();
  const auto count = static_cast<std::size_t>(std::distance(fields.begin(), fields.end()));
  if (count > options_->headers_max) {
    return refuse(431, fmt::format("the request has {} headers, the limit is {}", count,
                                   options_->headers_max));
  }
  if (const auto refusal = framing_refusal(*parser_)) {
    return refuse(refusal->status, refusal->message);
  }
  http_1_0_ = fields.version() < 11;
  auto head = take_head();
  if (!head) return refuse(400, head.error().message);
  request_ = std::move(*head);
  if (options_->before_body && !parser_->is_done()) {
    if (auto refusal = options_->before_body(*request_)) return refuse(std::move(*refusal));
  }
  const auto expect = fields[http::field::expect];
  if (expect.empty()) return read_body();
  if (!boost::beast::iequals(expect, "100-continue")) {
    return refuse(417, "Expect: only 100-continue is understood");
  }
  Output go_on;
  go_on.head = "HTTP/1.1 100 Continue\r\n\r\n";
  go_on.then = [self = shared_from_this()] {
    if (self->phase_ == Phase::reading) self->read_body();
  };
  output(std::move(go_on));
}

void Connection::read_body() {
  if (parser_->is_done()) return handle_request();
  http::async_read(socket_, buffer_, *parser_,
                   [self = shared_from_this()](ErrorCode error, std::size_t) {
                     if (self->phase_ != Phase::reading) return;
                     error ? self->on_read_failed(error) : self->handle_request();
                   });
}

void Connection::on_read_failed(ErrorCode error) {
  const auto& options = *options_;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return refuse(431, fmt::format("the request's line and headers are longer than the limit of {}"
                                   " bytes",
                                   options.header_bytes_max));
  }
  if (error == http::error::body_limit) {
    return refuse(
        413, fmt::format("the body is longer than the limit of {} bytes", options.body_bytes_max));
  }
  if (error == http::error::partial_message) {
    half_closed_ = true;
    return refuse(400, "the request ends before it is complete");
  }
  if (error == http::error::end_of_stream ||
      error.category() != http::make_error_code(http::error::end_of_stream).category()) {
    return close_now();
  }
  refuse(400, fmt::format("not an HTTP request: {}", error.message()));
}

void Connection::refuse(int status, std::string_view message) {
  const auto code = status == 408   ? Code::deadline_exceeded
                    : status == 501 ? Code::unimplemented
                                    : Code::invalid_argument;
  refuse(error_response(Error{.code = code, .message = std::string(message)}, status));
}

void Connection::refuse(HttpResponse response) {
  phase_ = Phase::handling;
  ++exchange_number_;
  keep_alive_ = false;
  head_only_ = false;
  summary_ = {};
  if (request_) {
    summary_.method = request_->method;
    summary_.path = request_->path;
  }
  span_ = telemetry::Span();
  request_read_ = options_->clock->instant();
  note_origin();
  ErrorCode ignored;
  // A read that is still going on would take what comes next; the socket is drained later instead.
  socket_.tcp().cancel(ignored);
  respond(std::move(response));
}

/// Everything but the body.
Result<HttpRequest> Connection::take_head() const {
  const auto& message = parser_->get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  std::string_view target(message.target().data(), message.target().size());
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme < 8) {
    const auto slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (!target.starts_with('/') && target != "*") {
    return invalid_field("target", "the request's target is not a path");
  }
  if (!http_1_0_ && message.count(http::field::host) != 1) {
    return invalid_field("Host", "an HTTP/1.1 request has this header exactly once");
  }
  // What counts must not depend on which one somebody in between has looked at.
  if (message.count(http::field::authorization) > 1) {
    return invalid_field("Authorization", "a request has this header once at most");
  }
  target = target.substr(0, target.find('#'));
  const auto question = std::min(target.find('?'), target.size());
  request.path = std::string(target.substr(0, question));
  request.query = std::string(target.substr(std::min(question + 1, target.size())));
  for (const auto& field : message) {
    request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  request.peer = peer_;
  if (options_->trust_forwarded) {
    const auto forwarded = forwarded_for(request);
    if (!forwarded.empty()) request.peer = forwarded;
  }
  return request;
}

/// Whether a page may see the answer, as far as the request's head has been read.
void Connection::note_origin() {
  const auto& origins = options_->cors_origins;
  const auto given = parser_->get()[http::field::origin];
  const std::string_view origin(given.data(), given.size());
  const bool allowed = !origin.empty() && std::any_of(origins.begin(), origins.end(), [&](auto& o) {
    return o == "*" || o == origin;
  });
  if (allowed) origin_ = std::string(origin);
}

bool Connection::answer_preflight(const HttpRequest& request) {
  if (origin_.empty()) return false;
  if (request.method != "OPTIONS" || request.header("Access-Control-Request-Method").empty()) {
    return false;
  }
  HttpResponse response{.status = 204, .headers = {}, .body = {}};
  const auto headers = request.header("Access-Control-Request-Headers");
  response.headers.push_back(
      {"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"});
  response.headers.push_back({"Access-Control-Allow-Headers", std::string(headers)});
  response.headers.push_back({"Access-Control-Max-Age", "600"});
  respond(std::move(response));
  return true;
}

void Connection::begin_span(HttpRequest& request) {
  span_ = options_->tracer->start_span(
      request.method,
      {{"http.request.method", request.method},
       {"url.path", request.path},
       {"url.scheme", scheme()},
       {"network.protocol.version", http_1_0_ ? "1.0" : "1.1"}},
      {.kind = telemetry::SpanKind::server,
       .parent = telemetry::w3c_propagator().extract(RequestHeaders(request))});
  request.context = span_.context();
}

void Connection::matched(std::string_view route) {
  summary_.route = route;
  if (!span_.is_recording()) return;
  span_.update_name(fmt::format("{} {}", summary_.method, route));
  span_.set_attribute("http.route", route);
}

void Connection::handle_request() {
  phase_ = Phase::handling;
  read_timer_.cancel();
  const auto number = ++exchange_number_;
  ++context_->requests;
  keep_alive_ = parser_->get().keep_alive();
  head_only_ = parser_->get().method() == http::verb::head;
  note_origin();
  auto request = std::move(*request_);
  request.body = std::move(parser_->get().body());
  request_.reset();
  parser_.reset();
  summary_ = {.method = request.method, .path = request.path, .request_bytes = request.body.size()};
  request_read_ = options_->clock->instant();
  begin_span(request);
  if (answer_preflight(request)) return;
  context_->handler(std::move(request),
                    std::make_shared<ConnectionExchange>(shared_from_this(), number));
  const bool waiting = phase_ == Phase::handling || phase_ == Phase::streaming;
  if (waiting && !watching_ && buffer_.size() == 0) watch();
}

}  // namespace weir::gateway
