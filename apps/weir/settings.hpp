#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/buffers.hpp>
#include <weir/config/settings.hpp>
#include <weir/open.hpp>
#include <weir/security/tls_files.hpp>
#include <weir/server/service.hpp>
#include <weir/store/resilient/options.hpp>
#include <weir/telemetry/sdk/environment.hpp>

#include <apps/weir/program.hpp>

namespace weir::cli {

/// Everything about a server that can be set.
struct ServeSettings {
  std::string store = "sqlite:data/default.db";
  OpenOptions open = {};
  server::ServiceOptions service = {};
  /// Of weir/resilience, and what is other than it says: zeros are as it says.
  std::string preset = "production";
  struct Resilience {
    std::chrono::milliseconds timeout{0};
    int attempts_max = 0;
    std::chrono::milliseconds retry_delay{0};
    std::chrono::milliseconds retry_delay_max{0};
    double failure_ratio = 0;
    int calls_min = 0;
    std::chrono::milliseconds open_for{0};
    int successes_to_close = 0;
  } resilience = {};
  /// Of RecoveryOptions; zero: nobody looks.
  struct Recovery {
    std::chrono::milliseconds delay{500};
    std::chrono::milliseconds delay_max{5'000};
    std::chrono::milliseconds timeout{2'000};
  } recovery = {};
  /// As sql::PoolOptions has it.
  std::string reset_on_return = "never";
  /// How long a PostgreSQL that takes no connections yet is waited for.
  std::chrono::milliseconds wait{0};
  /// Of clients; zeros are no limit.
  struct Admission {
    int calls_at_once = 50'000;
    int streams_at_once = 50'000;
    int client_calls = 0;
    int client_streams = 0;
    int client_kibibytes = 0;
    bool adaptive = false;
    int adaptive_min = 20;
    int adaptive_max = 1'000;
    int clients_max = 10'000;
  } admission = {};
  /// Of messages' memory.
  BufferOptions buffers = {};
  /// What was accepted may take so long to finish when the server stops.
  std::chrono::milliseconds grace{10'000};
  security::TlsFiles tls = {};
  /// A file of tokens. Empty: none are needed.
  std::string tokens = {};
  /// As ServiceOptions::OpenTo.
  std::string metrics_for = "loopback";
  std::string docs_for = "everybody";
  std::string log_format = "text";
  std::string log_level = "info";
  /// Texts that the OTEL_* variables also say, by their names.
  std::map<std::string, std::string> telemetry = {};
};

/// The flags of a command line that are settings.
struct SettingFlags {
  /// --config.
  std::string file = {};
  /// By setting.
  std::map<std::string, std::string> given = {};

  /// Adds --config and a flag for each setting; must outlive the parsing.
  void add_to(Flags& flags);
};

/// The settings of `weir serve` with their values. The list refers to the values: it does not move.
/// Threads: one at a time.
class ServeConfiguration {
 public:
  /// All defaults.
  ServeConfiguration();
  ServeConfiguration(const ServeConfiguration&) = delete;
  ServeConfiguration& operator=(const ServeConfiguration&) = delete;

  /// Of the file (--config, or else WEIR_CONFIG, or else none), the environment and the flags, in
  /// rising order of strength. Errors: invalid_argument with all that is wrong in one of the three,
  /// or that doesn't fit together.
  static Result<std::unique_ptr<ServeConfiguration>> load(const SettingFlags& flags,
                                                          const Program& program);
  /// Of a file alone.
  static Result<std::unique_ptr<ServeConfiguration>> load_file(const std::string& file);

  /// What the OTEL_* variables and the settings that stand for them say together: a variable
  /// OTEL_* is stronger than the file, and weaker than WEIR_* and a flag.
  Result<telemetry::TelemetrySettings> telemetry(const Program& program) const;

  /// Variables WEIR_... that no setting has, a line for each.
  std::vector<std::string> unknown_variables(const Program& program) const;

  /// Where it was read from; empty when there is no file.
  const std::string& file() const { return file_; }

  ServeSettings values;
  config::Settings list{"WEIR"};

 private:
  Result<void> check() const;

  std::string file_;
};

/// What a store is opened with, but for what stands before it.
OpenOptions open_options(const ServeSettings& settings);

/// What stands between the store and its database.
/// Errors: invalid_argument naming the option.
Result<resilient::ShieldOptions> shield_options(const ServeSettings& settings);

/// How many calls are taken in.
server::AdmissionOptions admission_options(const ServeSettings& settings);

/// docs/reference/configuration.md.
std::string configuration_reference();

}  // namespace weir::cli
