#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string_view>

#include <weir/telemetry/api/metric_cells.hpp>
#include <weir/telemetry/api/metric_spec.hpp>

namespace weir::telemetry {

/// The values of a metric's labels, in its spec's order. An empty one is left out.
using LabelValues = std::span<const std::string_view>;

/// Finds the cell of a combination of labels, and makes it. Implemented by an SDK.
/// Threads: any.
template <class Cell>
class CellSource {
 public:
  virtual ~CellSource() = default;
  virtual Cell& cell(LabelValues labels) = 0;
};

/// A counter with its labels settled, for places where every nanosecond counts. Made by
/// Counter::bind(); does nothing when nothing collects. A value.
/// Threads: any.
class BoundCounter {
 public:
  explicit BoundCounter(SumCell* cell = nullptr) : cell_(cell) {}
  void add(std::uint64_t value = 1) const {
    if (cell_ != nullptr) cell_->add(static_cast<std::int64_t>(value));
  }
  void add(std::uint64_t value, const SpanContext& span) const {
    if (cell_ != nullptr) cell_->add(static_cast<std::int64_t>(value), span);
  }

 private:
  SumCell* cell_;
};

/// The same for what goes up and down.
class BoundUpDownCounter {
 public:
  explicit BoundUpDownCounter(SumCell* cell = nullptr) : cell_(cell) {}
  void add(std::int64_t value) const {
    if (cell_ != nullptr) cell_->add(value);
  }

 private:
  SumCell* cell_;
};

/// The same for a histogram. Durations are recorded in seconds.
class BoundHistogram {
 public:
  explicit BoundHistogram(HistogramCell* cell = nullptr) : cell_(cell) {}
  /// Whether anybody collects; if not, what is expensive to measure need not be.
  bool collects() const { return cell_ != nullptr; }
  void record(double value) const {
    if (cell_ != nullptr) cell_->record(value);
  }
  void record(double value, const SpanContext& span) const {
    if (cell_ != nullptr) cell_->record(value, span);
  }
  void record(std::chrono::nanoseconds duration, const SpanContext& span) const {
    record(std::chrono::duration<double>(duration).count(), span);
  }
  void record(std::chrono::nanoseconds duration) const {
    record(std::chrono::duration<double>(duration).count());
  }

 private:
  HistogramCell* cell_;
};

/// A metric with labels. The instruments are values; their meter must outlive them.
/// Threads: any.
template <class Bound, class Cell>
class Instrument {
 public:
  explicit Instrument(CellSource<Cell>* source = nullptr) : source_(source) {}

  Bound bind(std::initializer_list<std::string_view> labels = {}) const {
    return bind(LabelValues(labels.begin(), labels.size()));
  }
  Bound bind(LabelValues labels) const {
    return source_ == nullptr ? Bound() : Bound(&source_->cell(labels));
  }

 private:
  CellSource<Cell>* source_;
};

/// Counts what only grows.
class Counter : public Instrument<BoundCounter, SumCell> {
 public:
  using Instrument::Instrument;
  void add(std::uint64_t value, std::initializer_list<std::string_view> labels = {}) const {
    bind(labels).add(value);
  }
};

class UpDownCounter : public Instrument<BoundUpDownCounter, SumCell> {
 public:
  using Instrument::Instrument;
  void add(std::int64_t value, std::initializer_list<std::string_view> labels = {}) const {
    bind(labels).add(value);
  }
};

class Histogram : public Instrument<BoundHistogram, HistogramCell> {
 public:
  using Instrument::Instrument;
  void record(double value, std::initializer_list<std::string_view> labels = {}) const {
    bind(labels).record(value);
  }
};

/// Given to whoever is asked for a value.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void observe(double value, LabelValues labels) = 0;
  void observe(double value, std::initializer_list<std::string_view> labels = {}) {
    observe(value, LabelValues(labels.begin(), labels.size()));
  }
};

/// Told to give the values of the moment. Must not block for long.
using ObserveCallback = std::function<void(Observer&)>;

/// An ObservableGauge (or a counter kept elsewhere): asked for its values when somebody collects,
/// until this is destroyed, which waits for a call under way.
class Observed {
 public:
  virtual ~Observed() = default;
};

/// Gives out instruments. The same spec gives the same instrument.
/// Threads: any.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual Counter counter(const MetricSpec& spec) = 0;
  virtual UpDownCounter up_down_counter(const MetricSpec& spec) = 0;
  virtual Histogram histogram(const MetricSpec& spec) = 0;
  /// For specs of the kinds gauge, counter and up_down_counter. The meter must outlive it.
  virtual std::unique_ptr<Observed> observe(const MetricSpec& spec, ObserveCallback callback) = 0;
};

/// Its instruments do nothing.
Meter& no_meter();

}  // namespace weir::telemetry
