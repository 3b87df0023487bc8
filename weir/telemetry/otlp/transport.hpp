#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <weir/telemetry/sdk/environment.hpp>

namespace weir::telemetry::otlp {

enum class Signal : std::uint8_t { traces, metrics };

/// What one attempt came to.
struct Attempt {
  /// Absent: the receiver took it, and `body` is its answer, a serialized Export...Response.
  std::optional<Error> error;
  /// It may be tried again; not before `error->retry_after`, if that is there.
  bool retryable = false;
  std::string body;
};

/// Carries one request to the receiver and its answer back.
/// Threads: one call at a time.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Gives up at the deadline, and soon after `stop` fires.
  virtual Attempt send(Signal signal, const std::string& body, Instant deadline,
                       std::stop_token stop) = 0;
};

/// Requests and answers past these are refused, as the protocol recommends.
inline constexpr std::size_t request_bytes_max = 64 << 20;
inline constexpr std::size_t response_bytes_max = 4 << 20;

/// Errors: invalid_argument naming what is wrong with the endpoint.
Result<std::unique_ptr<Transport>> make_grpc_transport(const OtlpSettings& settings,
                                                       const Clock& clock);
Result<std::unique_ptr<Transport>> make_http_transport(const OtlpSettings& settings,
                                                       const Clock& clock);

}  // namespace weir::telemetry::otlp
