#include <weir/gateway/testing/tls_client.hpp>

#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

namespace weir::gateway::testing {

namespace asio = boost::asio;

struct TlsClient::Parts {
  asio::io_context io;
  asio::ssl::context context{asio::ssl::context::tls_client};
  std::optional<asio::ssl::stream<asio::ip::tcp::socket>> stream;
  std::string buffer;
  std::string error;

  void note(const boost::system::error_code& code) {
    if (code && error.empty()) error = code.message();
  }
};

TlsClient::TlsClient(std::uint16_t port, const TlsClientOptions& options)
    : parts_(std::make_unique<Parts>()) {
  auto& parts = *parts_;
  boost::system::error_code code;
  if (!options.ca.empty()) {
    parts.context.set_verify_mode(asio::ssl::verify_peer);
    parts.context.add_certificate_authority(asio::buffer(options.ca), code);
    parts.note(code);
  }
  if (!options.certificate.empty()) {
    parts.context.use_certificate_chain(asio::buffer(options.certificate), code);
    parts.note(code);
    parts.context.use_private_key(asio::buffer(options.key), asio::ssl::context::pem, code);
    parts.note(code);
  }
  auto* context = parts.context.native_handle();
  if (options.version_max != 0) {
    SSL_CTX_set_max_proto_version(context, options.version_max);
    SSL_CTX_set_security_level(context, 0);  // or OpenSSL would not even try
  }
  static constexpr unsigned char offered[] = {2,   'h', '2', 8,   'h', 't',
                                              't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(context, offered, sizeof offered);
  parts.stream.emplace(parts.io, parts.context);
  parts.stream->set_verify_callback(asio::ssl::host_name_verification("127.0.0.1"), code);
  parts.note(code);
  parts.stream->next_layer().connect({asio::ip::address_v4::loopback(), port}, code);
  parts.note(code);
  parts.stream->handshake(asio::ssl::stream_base::client, code);
  parts.note(code);
}

TlsClient::~TlsClient() = default;

const std::string& TlsClient::error() const {
  return parts_->error;
}

std::string TlsClient::version() const {
  return SSL_get_version(parts_->stream->native_handle());
}

std::string TlsClient::protocol() const {
  const unsigned char* text = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(parts_->stream->native_handle(), &text, &size);
  return {reinterpret_cast<const char*>(text), size};
}

std::string TlsClient::server_name() const {
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      SSL_get1_peer_certificate(parts_->stream->native_handle()), X509_free);
  if (!certificate) return {};
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                            sizeof name);
  return name;
}

void TlsClient::send(const std::string& text) {
  boost::system::error_code code;
  asio::write(*parts_->stream, asio::buffer(text), code);
  parts_->note(code);
}

std::string TlsClient::read_until(const std::string& mark) {
  boost::system::error_code code;
  const auto size =
      asio::read_until(*parts_->stream, asio::dynamic_buffer(parts_->buffer), mark, code);
  parts_->note(code);
  if (code) return std::exchange(parts_->buffer, {});
  auto out = parts_->buffer.substr(0, size);
  parts_->buffer.erase(0, size);
  return out;
}

std::string TlsClient::get(const std::string& path) {
  send("GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  boost::system::error_code code;
  asio::read(*parts_->stream, asio::dynamic_buffer(parts_->buffer), code);
  // Without a close_notify it would be "stream truncated".
  if (code != asio::error::eof) parts_->note(code);
  return std::exchange(parts_->buffer, {});
}

}  // namespace weir::gateway::testing
