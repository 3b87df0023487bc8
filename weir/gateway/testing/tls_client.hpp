#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace weir::gateway::testing {

/// How a client shakes hands; all PEM.
struct TlsClientOptions {
  /// Whom it trusts. Empty: everybody.
  std::string ca;
  std::string certificate;
  std::string key;
  /// As OpenSSL numbers versions; 0: any.
  int version_max = 0;
};

/// A blocking TLS connection to 127.0.0.1, which the server's certificate must be for.
/// Threads: one. Waits as long as the server takes.
class TlsClient {
 public:
  TlsClient(std::uint16_t port, const TlsClientOptions& options);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// What went wrong last; empty: nothing.
  const std::string& error() const;
  /// "TLSv1.3", and what was agreed on to speak ("http/1.1").
  std::string version() const;
  std::string protocol() const;
  /// Common name of the server's certificate.
  std::string server_name() const;

  void send(const std::string& text);
  /// Everything up to and with the mark, or to the end.
  std::string read_until(const std::string& mark);
  /// A whole GET; the server is asked to close, and must say that it does before it does.
  std::string get(const std::string& path);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::gateway::testing
