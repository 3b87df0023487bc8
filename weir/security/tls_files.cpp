#include <weir/security/tls_files.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <weir/base/assert.hpp>

namespace weir::security {
namespace {

constexpr std::size_t pem_bytes_max = 4 << 20;

template <auto free>
struct Free {
  template <class T>
  void operator()(T* what) const {
    free(what);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

Error wrong(const std::string& path, std::string_view what) {
  return invalid(fmt::format("{}: {}", path, what));
}

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Nobody is asked for the password of a key.
int no_password(char*, int, int, void*) {
  return -1;
}

Result<std::vector<Certificate>> certificates_of(const std::string& pem, const std::string& path) {
  std::vector<Certificate> all;
  const auto bio = bio_of(pem);
  while (auto* one = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
    all.emplace_back(one);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return wrong(path, "it holds a certificate that can't be read");
  if (all.empty()) return wrong(path, "it holds no certificate in PEM");
  return all;
}

std::string text_of(BIO& written) {
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(&written, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

/// The certificates and nothing else: what a file holds besides, and a mark of its encoding before
/// the first line, is passed over by OpenSSL here and not by gRPC.
std::string pem_of(const std::vector<Certificate>& certificates) {
  const Bio out(BIO_new(BIO_s_mem()));
  for (const auto& certificate : certificates) {
    WEIR_ASSERT(PEM_write_bio_X509(out.get(), certificate.get()) == 1);
  }
  return text_of(*out);
}

std::string pem_of(EVP_PKEY& key) {
  const Bio out(BIO_new(BIO_s_secmem()));
  WEIR_ASSERT(
      PEM_write_bio_PKCS8PrivateKey(out.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(*out);
}

Timestamp time_of(const ASN1_TIME& time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(&time, &parts) != 1) return {};
  return Timestamp(std::chrono::seconds(::timegm(&parts)));
}

Result<void> check_validity(const X509& certificate, const std::string& path, Timestamp now) {
  const auto from = time_of(*X509_get0_notBefore(&certificate));
  const auto until = time_of(*X509_get0_notAfter(&certificate));
  if (now < from) {
    return wrong(path,
                 fmt::format("its certificate is valid from {} on only", format_timestamp(from)));
  }
  if (now > until) {
    return wrong(path, fmt::format("its certificate expired at {}", format_timestamp(until)));
  }
  return {};
}

/// The certificate's key, in PEM.
Result<std::string> key_of(const X509& certificate, const std::string& pem, const TlsFiles& files) {
  const auto bio = bio_of(pem);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key) return wrong(files.key, "it holds no private key in PEM, or an encrypted one");
  if (X509_check_private_key(&certificate, key.get()) != 1) {
    ERR_clear_error();
    return wrong(files.key, "it is not the key of the certificate in " + files.certificate);
  }
  return pem_of(*key);
}

}  // namespace

Result<std::string> read_pem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(pem_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    return wrong(path, fmt::format("it can't be read: {}", std::generic_category().message(errno)));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > pem_bytes_max) {
    return wrong(path, fmt::format("it is larger than {} bytes", pem_bytes_max));
  }
  return text;
}

Result<void> check(const TlsFiles& files) {
  if (files == TlsFiles{}) return {};
  if (files.certificate.empty()) return wrong("tls.certificate", "it is missing");
  if (files.key.empty()) return wrong("tls.key", "it is missing");
  return {};
}

Result<TlsMaterial> load_tls(const TlsFiles& files, Timestamp now) {
  if (files == TlsFiles{}) return wrong("tls.certificate", "it is missing");
  WEIR_TRY(check(files));
  TlsMaterial material;
  WEIR_TRY_ASSIGN(certificate, read_pem(files.certificate));
  WEIR_TRY_ASSIGN(key, read_pem(files.key));
  WEIR_TRY_ASSIGN(chain, certificates_of(certificate, files.certificate));
  WEIR_TRY(check_validity(*chain.front(), files.certificate, now));
  WEIR_TRY_ASSIGN(own_key, key_of(*chain.front(), key, files));
  material.certificate = pem_of(chain);
  material.key = std::move(own_key);
  material.expires_at = time_of(*X509_get0_notAfter(chain.front().get()));
  if (!files.client_ca.empty()) {
    WEIR_TRY_ASSIGN(pem, read_pem(files.client_ca));
    WEIR_TRY_ASSIGN(authorities, certificates_of(pem, files.client_ca));
    material.client_ca = pem_of(authorities);
  }
  return material;
}

std::string system_authorities() {
  for (const auto* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/cert.pem"}) {
    if (std::filesystem::exists(path)) return path;
  }
  return {};
}

}  // namespace weir::security
