#include <weir/security/tls_files.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include <tests/support/certificates.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::security {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::Authority;
using testing_support::Issued;

class Tls : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }
  TlsFiles files(const Issued& issued) const {
    return {.certificate = write("cert.pem", issued.certificate),
            .key = write("key.pem", issued.key)};
  }
  std::string error(const TlsFiles& files) const {
    const auto loaded = load_tls(files, system_clock().now());
    return loaded ? "" : loaded.error().message;
  }

  testing_support::TemporaryFolder folder_;
  Authority authority_;
};

TEST_F(Tls, loads_a_certificate_with_its_key_and_the_authorities_of_clients) {
  const auto issued = authority_.issue();
  auto wanted = files(issued);
  wanted.client_ca = write("ca.pem", authority_.certificate());
  const auto now = system_clock().now();
  const auto loaded = load_tls(wanted, now);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->certificate, issued.certificate);
  EXPECT_EQ(loaded->client_ca, authority_.certificate());
  EXPECT_GT(loaded->expires_at, now + std::chrono::minutes(59));
  EXPECT_LT(loaded->expires_at, now + std::chrono::minutes(61));
}

// gRPC could not use what was accepted here: it finds no key behind another certificate, and no
// certificate behind a byte order mark.
TEST_F(Tls, takes_certificates_and_key_out_of_files_that_hold_more) {
  const auto issued = authority_.issue();
  TlsFiles wanted{
      .certificate = write("cert.pem", "\xEF\xBB\xBF" + issued.certificate + "a remark\n"),
      .key = write("key.pem", authority_.certificate() + issued.key),
      .client_ca = write("ca.pem", "\xEF\xBB\xBF" + authority_.certificate() + issued.key)};
  const auto loaded = load_tls(wanted, system_clock().now());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->certificate, issued.certificate);
  EXPECT_EQ(loaded->client_ca, authority_.certificate());
  EXPECT_EQ(loaded->key, load_tls(files(issued), system_clock().now())->key);
  EXPECT_TRUE(loaded->key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_F(Tls, refuses_a_file_with_a_damaged_certificate_behind_a_good_one) {
  auto issued = authority_.issue();
  issued.certificate += "-----BEGIN CERTIFICATE-----\nMIH\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(error(files(issued)), HasSubstr("cert.pem: it holds a certificate that can't be"));
}

TEST_F(Tls, refuses_a_key_of_another_certificate_and_shows_neither) {
  auto issued = authority_.issue();
  issued.key = authority_.issue().key;
  EXPECT_THAT(error(files(issued)), HasSubstr("key.pem: it is not the key of the certificate in"));
  EXPECT_THAT(error(files(issued)), Not(HasSubstr("PRIVATE")));
}

TEST_F(Tls, refuses_a_certificate_that_has_expired_or_is_not_valid_yet) {
  EXPECT_THAT(error(files(authority_.issue({.from_seconds = -7200, .until_seconds = -60}))),
              HasSubstr("cert.pem: its certificate expired at"));
  EXPECT_THAT(error(files(authority_.issue({.from_seconds = 60}))), HasSubstr("valid from"));
}

TEST_F(Tls, names_the_file_that_is_not_what_it_should_be) {
  const auto good = files(authority_.issue());
  EXPECT_THAT(error({}), HasSubstr("tls.certificate"));
  EXPECT_THAT(error({.certificate = good.certificate}), HasSubstr("tls.key: it is missing"));
  auto wanted = good;
  wanted.certificate = folder_.file("no-such.pem");
  EXPECT_THAT(error(wanted), HasSubstr("no-such.pem: it can't be read"));
  wanted = good;
  wanted.certificate = write("text.pem", "no certificate");
  EXPECT_THAT(error(wanted), HasSubstr("text.pem: it holds no certificate"));
  wanted = good;
  wanted.key = good.certificate;
  EXPECT_THAT(error(wanted), HasSubstr("cert.pem: it holds no private key"));
  wanted = good;
  wanted.client_ca = good.key;
  EXPECT_THAT(error(wanted), HasSubstr("key.pem: it holds no certificate"));
  wanted = good;
  wanted.key = write("encrypted.pem",
                     "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH\n-----END ENCRYPTED PRIVATE "
                     "KEY-----\n");
  EXPECT_THAT(error(wanted), HasSubstr("or an encrypted one"));
}

}  // namespace
}  // namespace weir::security
