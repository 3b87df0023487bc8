#include <weir/telemetry/sdk/metric_registry.hpp>

#include <functional>
#include <shared_mutex>
#include <unordered_map>

#include <fmt/format.h>

#include <weir/base/assert.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::telemetry {
namespace {

constexpr char separator = '\x1f';

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

std::vector<std::string> split(std::string_view key, std::size_t count) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = std::min(key.find(separator), key.size());
    parts.emplace_back(key.substr(0, at));
    key.remove_prefix(std::min(at + 1, key.size()));
  }
  return parts;
}

/// Gathers what callbacks say, bounded as everything else.
class Gatherer final : public Observer {
 public:
  Gatherer(MetricSnapshot& snapshot, std::size_t series_max)
      : snapshot_(snapshot), series_max_(series_max) {}

  using Observer::observe;
  void observe(double value, LabelValues labels) override {
    WEIR_ASSERT(labels.size() == snapshot_.spec.labels.size());
    if (snapshot_.points.size() > series_max_) return;
    auto& point = snapshot_.points.emplace_back();
    point.value = value;
    point.overflow = snapshot_.points.size() > series_max_;
    point.labels.assign(labels.begin(), labels.end());
    if (point.overflow) point.labels.assign(labels.size(), "");
  }

 private:
  MetricSnapshot& snapshot_;
  const std::size_t series_max_;
};

}  // namespace

/// The series of one metric.
template <class Cell>
class MetricRegistry::Family final : public CellSource<Cell> {
 public:
  Family(const MetricSpec& spec, std::size_t series_max) : spec_(spec), series_max_(series_max) {}

  Cell& cell(LabelValues labels) override {
    WEIR_ASSERT(labels.size() == spec_.labels.size());
    thread_local std::string key;
    key.clear();
    for (const auto label : labels) {
      for (const char c : label) key += c == separator ? '?' : c;
      key += separator;
    }
    {
      const std::shared_lock lock(mutex_);
      const auto found = cells_.find(std::string_view(key));
      if (found != cells_.end()) return *found->second;
    }
    const std::unique_lock lock(mutex_);
    if (const auto found = cells_.find(std::string_view(key)); found != cells_.end()) {
      return *found->second;
    }
    if (cells_.size() >= series_max_) {
      if (!overflow_) overflow_ = make();
      overflows_.fetch_add(1, std::memory_order_relaxed);
      return *overflow_;
    }
    return *cells_.emplace(key, make()).first->second;
  }

  MetricSnapshot collect() const {
    MetricSnapshot snapshot{.spec = spec_, .points = {}};
    const std::shared_lock lock(mutex_);
    for (const auto& [key, cell] : cells_) {
      auto& point = snapshot.points.emplace_back();
      point.labels = split(key, spec_.labels.size());
      fill(*cell, point);
    }
    if (overflow_) {
      auto& point = snapshot.points.emplace_back();
      point.labels.resize(spec_.labels.size());
      point.overflow = true;
      fill(*overflow_, point);
    }
    return snapshot;
  }

  const MetricSpec& spec() const { return spec_; }
  std::size_t series() const {
    const std::shared_lock lock(mutex_);
    return cells_.size();
  }
  std::uint64_t overflows() const { return overflows_.load(std::memory_order_relaxed); }

 private:
  std::unique_ptr<Cell> make() const {
    if constexpr (std::is_same_v<Cell, HistogramCell>) {
      return std::make_unique<Cell>(spec_.bounds);
    } else {
      return std::make_unique<Cell>();
    }
  }
  static void fill(const SumCell& cell, MetricPoint& point) {
    point.value = cell.total();
    point.exemplar = cell.exemplar();
  }
  static void fill(const HistogramCell& cell, MetricPoint& point) {
    point.histogram = cell.totals();
  }

  const MetricSpec spec_;
  const std::size_t series_max_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Cell>, Hash, std::equal_to<>> cells_;
  std::unique_ptr<Cell> overflow_;
  std::atomic<std::uint64_t> overflows_{0};
};

class MetricRegistry::Registration final : public Observed {
 public:
  Registration(MetricRegistry& registry, std::list<Callback>::iterator at)
      : registry_(registry), at_(at) {}
  ~Registration() override {
    const std::lock_guard lock(registry_.callbacks_mutex_);
    registry_.callbacks_.erase(at_);
  }

 private:
  MetricRegistry& registry_;
  const std::list<Callback>::iterator at_;
};

Result<std::unique_ptr<MetricRegistry>> MetricRegistry::create(RegistryOptions options) {
  if (options.series_max < 1 || options.series_max > 1'000'000) {
    return invalid_field("series_max",
                         fmt::format("{} is not in the range 1 to 1000000", options.series_max));
  }
  return std::unique_ptr<MetricRegistry>(new MetricRegistry(options));
}

MetricRegistry::MetricRegistry(RegistryOptions options)
    : options_(options), started_(options.clock->now()) {}

MetricRegistry::~MetricRegistry() = default;

template <class Cell>
MetricRegistry::Family<Cell>& MetricRegistry::family(
    std::map<std::string, std::unique_ptr<Family<Cell>>, std::less<>>& families,
    const MetricSpec& spec) {
  const std::lock_guard lock(mutex_);
  auto found = families.find(spec.name);
  if (found == families.end()) {
    found = families
                .emplace(std::string(spec.name),
                         std::make_unique<Family<Cell>>(spec, options_.series_max))
                .first;
  }
  // Two metrics of one name would be mixed up by everybody who reads them.
  WEIR_ASSERT(found->second->spec().kind == spec.kind);
  return *found->second;
}

Counter MetricRegistry::counter(const MetricSpec& spec) {
  WEIR_ASSERT(spec.kind == MetricKind::counter);
  return Counter(&family(sums_, spec));
}

UpDownCounter MetricRegistry::up_down_counter(const MetricSpec& spec) {
  WEIR_ASSERT(spec.kind == MetricKind::up_down_counter);
  return UpDownCounter(&family(sums_, spec));
}

Histogram MetricRegistry::histogram(const MetricSpec& spec) {
  WEIR_ASSERT(spec.kind == MetricKind::histogram);
  return Histogram(&family(histograms_, spec));
}

std::unique_ptr<Observed> MetricRegistry::observe(const MetricSpec& spec,
                                                  ObserveCallback callback) {
  WEIR_ASSERT(spec.kind != MetricKind::histogram);
  const std::lock_guard lock(callbacks_mutex_);
  callbacks_.push_back({spec, std::move(callback)});
  return std::make_unique<Registration>(*this, std::prev(callbacks_.end()));
}

void MetricRegistry::collect_series(std::map<std::string, MetricSnapshot>& into) {
  auto& series =
      into.emplace(metric::sdk_metric_series.name, MetricSnapshot{metric::sdk_metric_series, {}})
          .first->second;
  auto& refused = into.emplace(metric::sdk_metric_series_refused.name,
                               MetricSnapshot{metric::sdk_metric_series_refused, {}})
                      .first->second;
  Gatherer of_series(series, options_.series_max), of_refused(refused, options_.series_max);
  const auto count = [&](const auto& families) {
    for (const auto& [name, family] : families) {
      of_series.observe(static_cast<double>(family->series()), {name});
      of_refused.observe(static_cast<double>(family->overflows()), {name});
    }
  };
  count(sums_);
  count(histograms_);
}

std::vector<MetricSnapshot> MetricRegistry::collect() {
  std::map<std::string, MetricSnapshot> by_name;
  {
    const std::lock_guard lock(callbacks_mutex_);
    for (auto& [spec, callback] : callbacks_) {
      auto& snapshot =
          by_name.emplace(spec.name, MetricSnapshot{.spec = spec, .points = {}}).first->second;
      Gatherer gatherer(snapshot, options_.series_max);
      callback(gatherer);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, family] : sums_) by_name.insert_or_assign(name, family->collect());
    for (const auto& [name, family] : histograms_) {
      by_name.insert_or_assign(name, family->collect());
    }
    collect_series(by_name);
  }
  std::vector<MetricSnapshot> all;
  for (auto& [name, snapshot] : by_name) {
    if (!snapshot.points.empty()) all.push_back(std::move(snapshot));
  }
  return all;
}

}  // namespace weir::telemetry
