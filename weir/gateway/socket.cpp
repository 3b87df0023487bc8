#include <weir/gateway/socket.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace weir::gateway {
namespace {

namespace asio = boost::asio;

/// The one protocol that is spoken here, for clients that ask (RFC 7301).
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> make_tls_context(
    const security::TlsMaterial& material) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  const auto failed = [&](std::string_view what) {
    return Error{.code = Code::invalid_argument,
                 .reason = Reason::invalid_field,
                 .message = fmt::format("tls: {}: {}", what, error.message())};
  };
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), choose_protocol, nullptr);
  // Clients must not make the server work by shaking hands again and again.
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  context->use_certificate_chain(asio::buffer(material.certificate), error);
  if (error) return failed("the certificate can't be used");
  context->use_private_key(asio::buffer(material.key), asio::ssl::context::pem, error);
  if (error) return failed("the key can't be used");
  if (!material.client_ca.empty()) {
    context->add_certificate_authority(asio::buffer(material.client_ca), error);
    if (error) return failed("the authorities of clients can't be used");
    // As gRPC has it: whoever is in the list is trusted, be it an authority under another's, or the
    // client itself.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context->native_handle()),
                                X509_V_FLAG_PARTIAL_CHAIN);
    context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert,
                             error);
    if (error) return failed("clients can't be verified");
    // A session that is resumed must belong to this server.
    static constexpr unsigned char id[] = "weir";
    SSL_CTX_set_session_id_context(context->native_handle(), id, sizeof id - 1);
  }
  return context;
}

}  // namespace weir::gateway
