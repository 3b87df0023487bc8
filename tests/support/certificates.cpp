#include <tests/support/certificates.hpp>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>

namespace weir::testing_support {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* what) const {
    free(what);
  }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "a certificate for the tests: %s\n", what);
  std::abort();
}

template <class Write>
std::string pem_of(Write write) {
  const std::unique_ptr<BIO, Free<BIO_free_all>> bio(BIO_new(BIO_s_mem()));
  require(write(bio.get()) == 1, "can't be written");
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  return pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string pem_of(EVP_PKEY* key) {
  return pem_of([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  require(extension != nullptr, value.c_str());
  require(X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

/// Everything but the extensions and the signature.
Certificate begin(EVP_PKEY* key, const std::string& name, long serial, long from, long until) {
  Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), until);
  X509_set_pubkey(made.get(), key);
  require(X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                                     0) == 1,
          "name");
  return made;
}

}  // namespace

struct Authority::Parts {
  Key key;
  Certificate certificate;
  std::string pem;
  long serial = 1;
};

Authority::Authority(const std::string& name) : parts_(std::make_unique<Parts>()) {
  auto& [key, certificate, pem, serial] = *parts_;
  key.reset(EVP_EC_gen("P-256"));
  require(key != nullptr, "key");
  certificate = begin(key.get(), name, serial, -86400, 86400);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  extend(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  extend(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0, "signature");
  pem = pem_of(certificate.get());
}

Authority::~Authority() = default;

const std::string& Authority::certificate() const {
  return parts_->pem;
}

Issued Authority::issue(const Request& request) {
  const Key key(EVP_EC_gen("P-256"));
  require(key != nullptr, "key");
  const auto made =
      begin(key.get(), request.name, ++parts_->serial, request.from_seconds, request.until_seconds);
  auto* issuer = parts_->certificate.get();
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer));
  std::string names;
  for (const auto& name : request.names) names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) extend(made.get(), issuer, NID_subject_alt_name, names);
  extend(made.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  require(X509_sign(made.get(), parts_->key.get(), EVP_sha256()) != 0, "signature");
  return {.certificate = pem_of(made.get()), .key = pem_of(key.get())};
}

}  // namespace weir::testing_support
