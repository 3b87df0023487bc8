#include <weir/telemetry/sdk/periodic_reader.hpp>

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

namespace weir::telemetry {

using namespace std::chrono_literals;

struct PeriodicReader::Shared {
  Shared(MetricRegistry& from, std::unique_ptr<MetricExporter> to, PeriodicReaderOptions how,
         const Clock& time)
      : registry(&from), exporter(std::move(to)), options(how), clock(time) {}

  /// Null once nobody waits any longer: the registry may be gone then.
  MetricRegistry* registry;
  const std::unique_ptr<MetricExporter> exporter;
  const PeriodicReaderOptions options;
  const Clock& clock;

  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable done;
  /// Held while the registry is read.
  std::mutex reading;
  std::uint64_t asked = 0;
  std::uint64_t answered = 0;
  bool last_worked = true;
  bool stopping = false;
  bool ended = false;
  std::stop_source give_up;

  bool export_once() {
    std::vector<MetricSnapshot> metrics;
    Timestamp started;
    {
      const std::lock_guard lock(reading);
      if (registry == nullptr) return false;
      metrics = registry->collect();
      started = registry->started();
    }
    const auto deadline = clock.instant() + options.export_timeout;
    return exporter->export_metrics(metrics, started, deadline, give_up.get_token()).ok();
  }
};

Result<std::unique_ptr<PeriodicReader>> PeriodicReader::create(
    MetricRegistry& registry, std::unique_ptr<MetricExporter> exporter,
    PeriodicReaderOptions options, const Clock& clock) {
  if (!exporter) return invalid_field("exporter", "it is missing");
  if (options.every < 10ms || options.every > 1h) {
    return invalid_field(
        "every", fmt::format("{} ms is not in the range 10 ms to 1 h", options.every.count()));
  }
  if (options.export_timeout < 1ms || options.export_timeout > 10min) {
    return invalid_field("export_timeout", fmt::format("{} ms is not in the range 1 ms to 10 min",
                                                       options.export_timeout.count()));
  }
  return std::unique_ptr<PeriodicReader>(
      new PeriodicReader(std::make_shared<Shared>(registry, std::move(exporter), options, clock)));
}

PeriodicReader::PeriodicReader(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
  std::thread([shared = shared_] { run(*shared); }).detach();
}

PeriodicReader::~PeriodicReader() {
  shut_down(1s);
}

void PeriodicReader::run(Shared& shared) {
  pthread_setname_np(pthread_self(), "weir-metrics");
  std::unique_lock lock(shared.mutex);
  bool last = false;
  while (!last) {
    shared.wake.wait_for(lock, shared.options.every,
                         [&] { return shared.stopping || shared.asked > shared.answered; });
    last = shared.stopping;
    const auto asked = shared.asked;
    lock.unlock();
    const bool worked = shared.export_once();
    lock.lock();
    shared.last_worked = worked;
    shared.answered = asked;
    shared.done.notify_all();
  }
  shared.ended = true;
  shared.done.notify_all();
}

bool PeriodicReader::force_flush(std::chrono::nanoseconds timeout) {
  auto& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  const auto mine = ++shared.asked;
  shared.wake.notify_one();
  const bool in_time =
      shared.done.wait_for(lock, timeout, [&] { return shared.answered >= mine || shared.ended; });
  return in_time && shared.last_worked;
}

bool PeriodicReader::shut_down(std::chrono::nanoseconds timeout) {
  auto& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  shared.stopping = true;
  shared.wake.notify_one();
  if (shared.done.wait_for(lock, timeout, [&] { return shared.ended; })) return true;
  lock.unlock();
  shared.give_up.request_stop();
  lock.lock();
  // Exporters end soon after this; one that doesn't keeps its thread, and nobody waits for it.
  shared.done.wait_for(lock, 250ms, [&] { return shared.ended; });
  lock.unlock();
  const std::lock_guard reading(shared.reading);
  shared.registry = nullptr;
  return false;
}

}  // namespace weir::telemetry
