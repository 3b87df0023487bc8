#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <weir/telemetry/sdk/id_generator.hpp>
#include <weir/telemetry/sdk/sampler.hpp>
#include <weir/telemetry/sdk/span_exporter.hpp>

namespace weir::telemetry {

/// What a span may hold; what is past it is dropped, and the span says how much.
struct SpanLimits {
  std::size_t attributes_max = 128;
  std::size_t events_max = 128;
  std::size_t links_max = 128;
  /// Bytes of a text; longer ones are cut. Default 4096.
  std::size_t value_bytes_max = 4096;
};

struct TracerProviderOptions {
  Sampler sampler = Sampler::create({}).value();
  SpanLimits limits = {};
  const IdGenerator* ids = &random_ids();
  const Clock* clock = &system_clock();
};

/// Makes the spans that a sampler chooses and gives them to a processor when they end.
/// Threads: any. The processor must outlive the provider's last span.
class SdkTracerProvider final : public TracerProvider {
 public:
  SdkTracerProvider(std::shared_ptr<SpanProcessor> processor, TracerProviderOptions options);
  ~SdkTracerProvider() override;

  Tracer& tracer(std::string_view scope) override;

 private:
  class SdkTracer;
  struct Parts;
  const std::shared_ptr<const Parts> parts_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Tracer>, std::less<>> tracers_;
};

}  // namespace weir::telemetry
