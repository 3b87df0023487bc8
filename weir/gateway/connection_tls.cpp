#include <openssl/err.h>
#include <openssl/ssl.h>
#include <boost/asio/write.hpp>

#include <weir/gateway/connection.hpp>

namespace weir::gateway {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds linger_time{1000};
constexpr std::size_t piece_bytes = 16 * 1024;

/// What somebody is told who speaks HTTP where HTTPS is spoken.
constexpr std::string_view speak_https =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    "Content-Length: 90\r\n\r\n"
    R"({"error":{"code":"INVALID_ARGUMENT","status":400,"message":"this port speaks https only"}})";
static_assert(speak_https.size() - speak_https.find("{\"error") == 90);

bool is_plain_http(const boost::system::error_code& error) {
  const auto reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  return error.category() == asio::error::get_ssl_category() &&
         (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST);
}

}  // namespace

void Connection::shake_hands() {
  phase_ = Phase::handshaking;
  read_timer_.expires_after(options_->read_timeout);
  read_timer_.async_wait([self = shared_from_this()](ErrorCode) {
    if (self->phase_ == Phase::handshaking && self->timer_is_due(self->read_timer_)) {
      self->close_now();
    }
  });
  socket_.async_handshake([self = shared_from_this()](ErrorCode error) {
    if (self->phase_ != Phase::handshaking) return;
    error ? self->on_handshake_failed(error) : self->rest();
  });
}

void Connection::on_handshake_failed(ErrorCode error) {
  if (!is_plain_http(error)) return close_now();
  // It fits into any socket's buffer; what can't be sent at once need not be.
  ErrorCode ignored;
  socket_.tcp().non_blocking(true, ignored);
  socket_.tcp().write_some(asio::buffer(speak_https), ignored);
  phase_ = Phase::closing;
  read_timer_.expires_after(linger_time);
  read_timer_.async_wait([self = shared_from_this()](ErrorCode stopped) {
    if (!stopped && self->phase_ == Phase::closing) self->close_now();
  });
  socket_.tcp().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  drain_below();
}

void Connection::linger() {
  // Closing with unread bytes would reset the connection and take the answer with it.
  phase_ = Phase::closing;
  buffer_.consume(buffer_.size());
  read_timer_.expires_after(linger_time);
  read_timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error && self->phase_ == Phase::closing) self->close_now();
  });
  ErrorCode ignored;
  if (!socket_.has_tls()) {
    socket_.tcp().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (half_closed_) return close_now();
    if (!watching_) watch();
    return;
  }
  // However this ends, what matters is that the client was told.
  socket_.async_shutdown([self = shared_from_this()](ErrorCode) {
    if (self->phase_ != Phase::closing) return;
    ErrorCode ended;
    self->socket_.tcp().shutdown(asio::ip::tcp::socket::shutdown_send, ended);
    self->half_closed_ ? self->close_now() : self->drain_below();
  });
}

/// Reads what the client still sends, as it comes off the wire.
void Connection::drain_below() {
  drained_.resize(piece_bytes);
  socket_.tcp().async_read_some(
      asio::buffer(drained_), [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
        if (self->phase_ != Phase::closing) return;
        self->drained_bytes_ += bytes;
        const bool enough = error || self->drained_bytes_ > linger_bytes_max;
        enough ? self->close_now() : self->drain_below();
      });
}

void Connection::close_now() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  ++exchange_number_;
  on_ending_ = nullptr;
  read_timer_.cancel();
  write_timer_.cancel();
  head_timer_.cancel();
  filler_timer_.cancel();
  ErrorCode ignored;
  socket_.tcp().close(ignored);
  on_closed_(this);
}

}  // namespace weir::gateway
