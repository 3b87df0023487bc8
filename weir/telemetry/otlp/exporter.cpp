#include <weir/telemetry/otlp/exporter.hpp>

#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include <weir/telemetry/otlp/encode.hpp>
#include <weir/telemetry/otlp/retry.hpp>
#include <weir/telemetry/sdk/id_generator.hpp>

namespace weir::telemetry {
namespace {

using otlp::Signal;

double chance() {
  const auto bits = random_ids().span_id().bytes;
  return (bits[0] * 256 + bits[1]) / 65536.0;
}

/// Waits, but not past a stop.
void wait(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, time, [] { return false; });
}

/// Sends requests of one signal, again and again while that may help.
class Sender {
 public:
  Sender(std::unique_ptr<otlp::Transport> transport, Signal signal, const OtlpSettings& settings,
         const Clock& clock)
      : transport_(std::move(transport)),
        signal_(signal),
        timeout_(settings.timeout),
        clock_(clock) {}

  /// The receiver's answer.
  Result<std::string> send(const std::string& body, Instant deadline,
                           const std::stop_token& stop) const {
    if (body.size() > otlp::request_bytes_max) {
      return past_limit("request", body.size(), otlp::request_bytes_max, "bytes");
    }
    otlp::RetrySchedule schedule({.chance = chance});
    // An attempt that only ran out of time does not hide why those before it failed.
    std::optional<Error> why;
    while (true) {
      const auto now = clock_.instant();
      auto attempt = transport_->send(signal_, body, std::min(deadline, now + timeout_), stop);
      if (!attempt.error) return std::move(attempt.body);
      if (!why || attempt.error->code != Code::deadline_exceeded) why = attempt.error;
      const auto delay = schedule.after(attempt, clock_.instant(), deadline);
      if (!delay || stop.stop_requested()) return *why;
      wait(*delay, stop);
      if (stop.stop_requested()) return *why;
    }
  }

 private:
  std::unique_ptr<otlp::Transport> transport_;
  Signal signal_;
  std::chrono::milliseconds timeout_;
  const Clock& clock_;
};

Result<Sender> make_sender(const OtlpSettings& settings, Signal signal, const Clock& clock) {
  if (settings.timeout < std::chrono::milliseconds(1) ||
      settings.timeout > std::chrono::minutes(10)) {
    return invalid_field("timeout", fmt::format("{} ms is not in the range 1 ms to 10 min",
                                                settings.timeout.count()));
  }
  auto transport = settings.protocol == OtlpSettings::Protocol::grpc
                       ? otlp::make_grpc_transport(settings, clock)
                       : otlp::make_http_transport(settings, clock);
  if (!transport) return transport.error();
  return Sender(std::move(transport).value(), signal, settings, clock);
}

class OtlpSpans final : public SpanExporter {
 public:
  OtlpSpans(Sender sender, Resource resource)
      : sender_(std::move(sender)), resource_(std::move(resource)) {}

  Result<Exported> export_spans(const SpanBatch& spans, Instant deadline,
                                std::stop_token stop) override {
    WEIR_TRY_ASSIGN(answer, sender_.send(otlp::encode(spans, resource_), deadline, stop));
    return Exported{.rejected = otlp::rejected_spans(answer)};
  }

 private:
  const Sender sender_;
  const Resource resource_;
};

class OtlpMetrics final : public MetricExporter {
 public:
  OtlpMetrics(Sender sender, Resource resource, const Clock& clock)
      : sender_(std::move(sender)), resource_(std::move(resource)), clock_(clock) {}

  Result<void> export_metrics(const std::vector<MetricSnapshot>& metrics, Timestamp started,
                              Instant deadline, std::stop_token stop) override {
    const auto body = otlp::encode(metrics, resource_, started, clock_.now());
    WEIR_TRY_ASSIGN(answer, sender_.send(body, deadline, stop));
    const auto rejected = otlp::rejected_points(answer);
    if (rejected == 0) return {};
    return Error{.code = Code::invalid_argument,
                 .message = fmt::format("the receiver rejected {} data points", rejected)};
  }

 private:
  const Sender sender_;
  const Resource resource_;
  const Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<SpanExporter>> make_otlp_span_exporter(const OtlpSettings& settings,
                                                              Resource resource,
                                                              const Clock& clock) {
  WEIR_TRY_ASSIGN(sender, make_sender(settings, Signal::traces, clock));
  return std::unique_ptr<SpanExporter>(
      std::make_unique<OtlpSpans>(std::move(sender), std::move(resource)));
}

Result<std::unique_ptr<MetricExporter>> make_otlp_metric_exporter(const OtlpSettings& settings,
                                                                  Resource resource,
                                                                  const Clock& clock) {
  WEIR_TRY_ASSIGN(sender, make_sender(settings, Signal::metrics, clock));
  return std::unique_ptr<MetricExporter>(
      std::make_unique<OtlpMetrics>(std::move(sender), std::move(resource), clock));
}

}  // namespace weir::telemetry
