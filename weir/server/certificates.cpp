#include <weir/server/certificates.hpp>

#include <fcntl.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weir/base/assert.hpp>

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

/// A file in memory that nobody has yet.
class Certificates::File {
 public:
  explicit File(int number) : number_(number) {}
  File(File&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (number_ >= 0) ::close(number_);
  }

  int number() const { return number_; }
  /// The name in /proc goes from one whole file to the next at once.
  void take_the_place_of(int& file) && {
    if (file < 0) {
      file = std::exchange(number_, -1);
      return;
    }
    const int moved = ::dup3(number_, file, O_CLOEXEC);
    WEIR_ASSERT(moved == file);
  }

 private:
  int number_;
};

Result<Certificates::File> Certificates::file_of(const std::string& text) const {
  File file(::memfd_create("weir-tls", MFD_CLOEXEC));
  if (file.number() < 0) return failed("no file in memory can be made");
  WEIR_TRY(write_all(file.number(), text));
  const timespec modified{.tv_sec = version_, .tv_nsec = 0};
  const timespec times[] = {modified, modified};
  if (::futimens(file.number(), times) != 0) return failed("its time can't be set");
  return file;
}

Result<std::unique_ptr<Certificates>> Certificates::create(const security::TlsMaterial& material) {
  auto made = std::unique_ptr<Certificates>(new Certificates);
  WEIR_TRY_ASSIGN(show, made->prepare(material));
  show();
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

Result<UniqueFunction<void()>> Certificates::prepare(const security::TlsMaterial& material) {
  ++version_;
  WEIR_TRY_ASSIGN(identity, file_of(material.key + "\n" + material.certificate));
  std::optional<File> authorities;
  if (!material.client_ca.empty()) {
    WEIR_TRY_ASSIGN(file, file_of(material.client_ca));
    authorities.emplace(std::move(file));
  }
  return UniqueFunction<void()>(
      [this, identity = std::move(identity), authorities = std::move(authorities)]() mutable {
        std::move(identity).take_the_place_of(identity_);
        if (authorities) std::move(*authorities).take_the_place_of(authorities_);
      });
}

}  // namespace weir::server
