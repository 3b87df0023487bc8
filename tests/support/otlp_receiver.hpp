#pragma once

#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::testing_support {

/// A receiver of OTLP, over gRPC and as HTTP/protobuf, that keeps what it is sent and can be made
/// to misbehave.
/// Threads: any.
class OtlpReceiver {
 public:
  using Span = opentelemetry::proto::trace::v1::Span;
  using Metric = opentelemetry::proto::metrics::v1::Metric;
  struct ReceivedSpan {
    Span span;
    std::string service;
    std::string scope;
  };

  enum class Mood {
    takes,
    refuses,       ///< for good: INVALID_ARGUMENT, 400
    comes_back,    ///< for now: UNAVAILABLE, 503 with Retry-After: 0
    takes_partly,  ///< rejects one of each request
    never_answers,
  };

  OtlpReceiver();
  ~OtlpReceiver();

  /// "http://127.0.0.1:PORT".
  std::string grpc_endpoint() const;
  std::string http_endpoint() const;

  /// `times`: for so many requests, then it takes them.
  void be(Mood mood, int times = 1'000'000);
  std::vector<ReceivedSpan> spans() const;
  std::vector<Metric> metrics() const;
  int requests() const;
  /// The value of a header of the last request.
  std::string last_header(const std::string& name) const;
  /// Waits up to 30 s until so many spans of that name are there.
  bool wait_for(const std::string& span_name, std::size_t count = 1) const;
  /// Ends it; the ports answer no longer.
  void stop();

  struct Parts;

 private:
  std::unique_ptr<Parts> parts_;
};

/// The value of an attribute as text; nothing when it is not there.
std::optional<std::string> attribute(const OtlpReceiver::Span& span, const std::string& key);

}  // namespace weir::testing_support
