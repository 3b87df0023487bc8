#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include <weir/base/result.hpp>
#include <weir/base/unique_function.hpp>
#include <weir/security/tls_files.hpp>

namespace weir::server {

/// What gRPC shows its clients, and can be replaced while it runs: gRPC can watch files, so it is
/// given files that are in memory only, and only what has been checked is put into them.
/// Threads: any; one replacement at a time. Must outlive the servers that use its credentials.
class Certificates {
 public:
  /// Errors: unavailable when there are no files in memory (memfd, /proc).
  static Result<std::unique_ptr<Certificates>> create(const security::TlsMaterial& material);
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  /// TLS 1.2 or later; with authorities of clients, for clients that show a certificate of theirs.
  std::shared_ptr<grpc::ServerCredentials> credentials() const;

  /// Makes all ready that can fail, and changes nothing: handshakes show this within two seconds
  /// from when what is returned is called, which must not outlive this. Whether clients need a
  /// certificate stays as it was. Errors: unavailable.
  Result<UniqueFunction<void()>> prepare(const security::TlsMaterial& material);

 private:
  class File;
  Certificates() = default;
  Result<File> file_of(const std::string& text) const;

  /// Numbers of files in memory; gRPC opens them by their names in /proc.
  int identity_ = -1;
  int authorities_ = -1;
  /// When they were last modified, in seconds: rises with each replacement, by which gRPC notices a
  /// change between its two looks at one file.
  std::int64_t version_ = 1;
};

}  // namespace weir::server
