#include <weir/server/certificates.hpp>

#include <fcntl.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace weir::server {
namespace {

namespace tls = grpc::experimental;

constexpr unsigned int looks_every_seconds = 1;

Error failed(std::string_view what) {
  return unavailable(fmt::format("tls: {}: {}", what, std::generic_category().message(errno)));
}

std::string path_of(int file) {
  return fmt::format("/proc/self/fd/{}", file);
}

Result<void> write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(file, text.data(), text.size());
    if (count < 0) return failed("a file in memory can't be written");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

/// The name in /proc goes from one whole file to the next at once.
Result<void> Certificates::put(int& file, const std::string& text) {
  const int fresh = ::memfd_create("weir-tls", MFD_CLOEXEC);
  if (fresh < 0) return failed("no file in memory can be made");
  auto written = write_all(fresh, text);
  const timespec modified{.tv_sec = version_, .tv_nsec = 0};
  const timespec times[] = {modified, modified};
  if (written && ::futimens(fresh, times) != 0) written = failed("its time can't be set");
  if (!written) {
    ::close(fresh);
    return written;
  }
  if (file < 0) {
    file = fresh;
    return {};
  }
  const int moved = ::dup3(fresh, file, O_CLOEXEC);
  ::close(fresh);
  if (moved < 0) return failed("a file in memory can't be replaced");
  return {};
}

Result<std::unique_ptr<Certificates>> Certificates::create(const security::TlsMaterial& material) {
  auto made = std::unique_ptr<Certificates>(new Certificates);
  WEIR_TRY(made->replace(material));
  struct stat about {};
  if (::stat(path_of(made->identity_).c_str(), &about) != 0) return failed("/proc is not there");
  return made;
}

Certificates::~Certificates() {
  if (identity_ >= 0) ::close(identity_);
  if (authorities_ >= 0) ::close(authorities_);
}

std::shared_ptr<grpc::ServerCredentials> Certificates::credentials() const {
  // Key and certificate in one file, so that they change together.
  const auto identity = path_of(identity_);
  const auto authorities = authorities_ < 0 ? std::string() : path_of(authorities_);
  tls::TlsServerCredentialsOptions options(std::make_shared<tls::FileWatcherCertificateProvider>(
      identity, identity, authorities, looks_every_seconds));
  options.watch_identity_key_cert_pairs();
  if (authorities_ >= 0) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return tls::TlsServerCredentials(options);
}

Result<void> Certificates::replace(const security::TlsMaterial& material) {
  ++version_;
  WEIR_TRY(put(identity_, material.key + "\n" + material.certificate));
  if (material.client_ca.empty()) return {};
  return put(authorities_, material.client_ca);
}

}  // namespace weir::server
