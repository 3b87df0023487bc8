#pragma once

#include <memory>
#include <string>
#include <vector>

namespace weir::testing_support {

/// A certificate and its key, as PEM.
struct Issued {
  std::string certificate;
  std::string key;
};

/// A certification authority of the test's own: P-256, made when it is constructed.
/// Threads: one at a time. What goes wrong ends the test program.
class Authority {
 public:
  explicit Authority(const std::string& name = "test authority");
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  struct Request {
    /// Common name.
    std::string name = "localhost";
    /// As subjectAltName has them: "DNS:localhost", "IP:127.0.0.1".
    std::vector<std::string> names = {"DNS:localhost", "IP:127.0.0.1"};
    /// Seconds from now on, which may be past.
    long from_seconds = -3600;
    long until_seconds = 3600;
  };
  Issued issue(const Request& request);
  Issued issue() { return issue(Request{}); }

  /// Its own certificate, as PEM.
  const std::string& certificate() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::testing_support
