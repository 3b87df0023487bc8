#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <weir/telemetry/api/metrics.hpp>

namespace weir::telemetry {

/// One series of a metric, at the moment of collecting.
struct MetricPoint {
  /// As in the spec; an empty one is absent.
  std::vector<std::string> labels;
  /// It stands for all the series that were too many: otel.metric.overflow=true.
  bool overflow = false;
  /// Whole numbers where they were counted. Not of histograms.
  std::variant<std::int64_t, double> value = std::int64_t{0};
  std::optional<Exemplar> exemplar = std::nullopt;
  /// Of histograms.
  HistogramCell::Totals histogram = {};
};

struct MetricSnapshot {
  MetricSpec spec;
  std::vector<MetricPoint> points;
};

struct RegistryOptions {
  /// Combinations of labels that a metric keeps; further ones share one series. Range 1 to
  /// 1,000,000. Default 2000.
  std::size_t series_max = 2000;
  const Clock* clock = &system_clock();
};

/// Collects every metric of the process. Exporters read it by collect(); see telemetry/prometheus
/// and telemetry/otlp.
/// Threads: any. Must outlive the instruments that it gave out.
class MetricRegistry final : public Meter {
 public:
  /// Errors: invalid_argument naming the option.
  static Result<std::unique_ptr<MetricRegistry>> create(RegistryOptions options);
  ~MetricRegistry() override;

  Counter counter(const MetricSpec& spec) override;
  UpDownCounter up_down_counter(const MetricSpec& spec) override;
  Histogram histogram(const MetricSpec& spec) override;
  std::unique_ptr<Observed> observe(const MetricSpec& spec, ObserveCallback callback) override;

  /// What is there now, by name. Calls the callbacks of what is observed.
  std::vector<MetricSnapshot> collect();

  /// What counters and histograms have counted since.
  Timestamp started() const { return started_; }

 private:
  template <class Cell>
  class Family;
  class Registration;
  struct Callback {
    MetricSpec spec;
    ObserveCallback callback;
  };

  explicit MetricRegistry(RegistryOptions options);
  template <class Cell>
  Family<Cell>& family(std::map<std::string, std::unique_ptr<Family<Cell>>, std::less<>>& families,
                       const MetricSpec& spec);
  void collect_series(std::map<std::string, MetricSnapshot>& into);

  const RegistryOptions options_;
  const Timestamp started_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Family<SumCell>>, std::less<>> sums_;
  std::map<std::string, std::unique_ptr<Family<HistogramCell>>, std::less<>> histograms_;
  /// Held while callbacks run, so that one that is taken back runs no longer.
  std::mutex callbacks_mutex_;
  std::list<Callback> callbacks_;
};

}  // namespace weir::telemetry
