#pragma once

#include <string>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>

namespace weir::security {

/// PEM files. Empty: none.
struct TlsFiles {
  /// The server's certificate, followed by those between it and the authority.
  std::string certificate = {};
  /// Its private key, not encrypted.
  std::string key = {};
  /// Authorities of clients' certificates. With them, who shows no certificate of theirs is turned
  /// away (mutual TLS).
  std::string client_ca = {};

  bool enabled() const { return !certificate.empty(); }
  bool operator==(const TlsFiles&) const = default;
};

/// What the files hold, checked. A value; the key is in it.
struct TlsMaterial {
  /// All PEM, of certificates or the key and nothing else, whatever the files hold besides.
  std::string certificate;
  std::string key;
  std::string client_ca;
  /// When the server's certificate expires.
  Timestamp expires_at{};

  bool operator==(const TlsMaterial&) const = default;
};

/// Whether all files are named that must be, or none. Errors: invalid_argument naming the setting.
Result<void> check(const TlsFiles& files);

/// Reads the files and checks that they are what they should be and that the key is the
/// certificate's.
/// Errors: invalid_argument naming the file: missing, not PEM, damaged, an encrypted key, a key of
/// another certificate, a certificate that has expired or is not valid yet.
Result<TlsMaterial> load_tls(const TlsFiles& files, Timestamp now);

/// One file of PEM, not checked. Errors: invalid_argument naming the file.
Result<std::string> read_pem(const std::string& path);

/// Where the machine keeps the authorities that it trusts; "" when it isn't known.
std::string system_authorities();

}  // namespace weir::security
