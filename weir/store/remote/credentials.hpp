#pragma once

#include <string>

namespace weir::remote {

/// How a client and its server know each other.
struct Credentials {
  /// Speak TLS. Default: plain text.
  bool tls = false;
  /// PEM file of the authorities that the server's certificate may come from. Default: those that
  /// the machine trusts. Only with tls, as the next two.
  std::string ca_file = {};
  /// PEM files of the client's own certificate and key, where the server wants one (mutual TLS).
  std::string certificate_file = {};
  std::string key_file = {};
  /// What `weir token create` printed. Sent with each call: without TLS, whoever listens on the way
  /// has it.
  std::string token = {};
};

}  // namespace weir::remote
