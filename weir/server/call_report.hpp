#pragma once

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string_view>

#include <weir/base/error.hpp>
#include <weir/store/requests.hpp>
#include <weir/telemetry/api/telemetry.hpp>

namespace weir::v1 {
class RequestContext;
}

namespace weir::server {

/// What is reported of one call: a span and a duration, by the semantic conventions for RPC. Ends
/// when end() is called or, as cancelled, when it goes. Moved, not copied; nobody's by default.
/// Threads: one at a time.
class CallReport {
 public:
  CallReport() = default;
  CallReport(CallReport&& other) noexcept { *this = std::move(other); }
  CallReport& operator=(CallReport&& other) noexcept;
  ~CallReport() { end(grpc::StatusCode::CANCELLED); }

  /// Whose work the call is: what it does is done under this.
  const telemetry::Context& context() const { return span_.context(); }
  void end(grpc::StatusCode code);

 private:
  friend class CallReports;

  /// "weir.v1.EventLog/Append".
  std::string_view method_;
  const telemetry::Histogram* duration_ = nullptr;
  Instant began_;
  telemetry::Span span_;
};

/// The report of one request on a Session stream. Ended once by end(), or never.
struct SessionReport {
  std::string_view operation;
  Instant began;
  telemetry::Span span;
};

/// Begins the reports of the server's calls. Must outlive them.
/// Threads: any.
class CallReports {
 public:
  explicit CallReports(telemetry::Telemetry telemetry);

  /// `method`: "weir.v1.EventLog/Append"; must outlive the call.
  CallReport begin(std::string_view method, const grpc::ServerContext& context) const;

  /// `operation`: append, read or head; `stream`: whose stream it is. What the request itself says
  /// of its context comes first. `arrived`: by now().
  SessionReport begin(std::string_view operation, const v1::RequestContext* request,
                      const telemetry::Context& stream, Instant arrived) const;
  /// The moment, when anybody is told of it: requests of one message share a look at the clock.
  Instant now() const { return reporting_ ? system_clock().instant() : Instant(); }
  /// No error: it went well.
  void end(SessionReport& report, const Error* error) const;

 private:
  telemetry::BoundHistogram duration_of(std::string_view operation, std::string_view error) const;

  telemetry::Tracer* const tracer_;
  const bool reporting_;
  const telemetry::Histogram duration_;
  const telemetry::Histogram session_duration_;
  /// Of what goes well, which is nearly everything.
  const telemetry::BoundHistogram append_ok_, read_ok_, head_ok_;
};

/// Puts the context into the metadata of every event of the append: correlation-id, causation-id,
/// and traceparent when the trace is recorded.
void stamp(AppendRequest& append, const telemetry::Context& context);

}  // namespace weir::server
