#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <weir/base/result.hpp>
#include <weir/security/tls_files.hpp>

namespace weir::gateway {

/// What connections that begin from now on shake hands with: TLS 1.2 or later, "http/1.1", and,
/// with authorities of clients, only clients that show a certificate of theirs.
/// Errors: invalid_argument with what OpenSSL says of the material.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(
    const security::TlsMaterial& material);

/// A client's socket, with TLS or without. What Asio asks of a stream is here; everything runs on
/// the socket's strand. Handlers are callables, not completion tokens.
class Socket {
 public:
  using Tcp = boost::asio::ip::tcp::socket;
  using executor_type = Tcp::executor_type;
  using ErrorCode = boost::system::error_code;

  /// Without a context: no TLS.
  Socket(Tcp socket, std::shared_ptr<boost::asio::ssl::context> context)
      : context_(std::move(context)), plain_(std::move(socket)) {
    if (context_) tls_.emplace(plain_, *context_);
  }

  executor_type get_executor() { return plain_.get_executor(); }
  bool has_tls() const { return tls_.has_value(); }
  /// The connection below.
  Tcp& tcp() { return plain_; }

  /// Only with TLS.
  template <class Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  /// Only with TLS: tells the client that nothing more comes.
  template <class Handler>
  void async_shutdown(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    plain_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    plain_.async_write_some(buffers, std::forward<Handler>(handler));
  }

 private:
  /// First: the stream below refers to it.
  const std::shared_ptr<boost::asio::ssl::context> context_;
  Tcp plain_;
  std::optional<boost::asio::ssl::stream<Tcp&>> tls_;
};

}  // namespace weir::gateway
