#pragma once

#include <memory>
#include <optional>
#include <string>

#include <weir/security/tls_files.hpp>
#include <weir/security/token.hpp>
#include <weir/server/service.hpp>
#include <weir/store/resilient/shield.hpp>
#include <weir/telemetry/api/metrics.hpp>

#include <apps/weir/settings.hpp>

namespace weir::cli {

/// What the files hold that settings name.
struct Protection {
  std::optional<security::Tokens> tokens;
  std::optional<security::TlsMaterial> tls;
};

/// Errors: invalid_argument and others, naming the file.
Result<Protection> read_protection(const ServeSettings& settings, Timestamp now);

/// Brings a running server to what its settings, tokens and certificates have become.
/// Threads: one at a time. Service and what is in it must outlive it.
class Reloader {
 public:
  struct Running {
    server::Service& service;
    server::Access& access;
    telemetry::Meter& meter;
    /// Null when nothing stands before the store.
    std::shared_ptr<resilient::Shield> shield = nullptr;
    std::shared_ptr<resilience::Listener> listener = nullptr;
  };
  /// `configuration`: what the server was started with.
  Reloader(SettingFlags flags, std::unique_ptr<ServeConfiguration> configuration, Running running,
           Program& program);

  /// Reads everything again: tokens, and settings with certificates. Takes of these two each that
  /// is all right, and nothing of the other. What has changed and can't be taken while the server
  /// runs is logged each time. Counted, once, and logged.
  void reload();

  const ServeSettings& settings() const { return now_->values; }

 private:
  Result<void> reload_tokens();
  Result<void> reload_others();
  Result<void> apply(const ServeSettings& settings,
                     const std::optional<security::TlsMaterial>& tls);
  void tell(const ServeConfiguration& fresh) const;

  const SettingFlags flags_;
  /// As it was started, and as it is.
  const std::unique_ptr<ServeConfiguration> started_;
  std::unique_ptr<ServeConfiguration> now_;
  const Running running_;
  Program& program_;
  const telemetry::Counter reloads_;
};

}  // namespace weir::cli
