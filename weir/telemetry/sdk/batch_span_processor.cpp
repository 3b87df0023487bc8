#include <weir/telemetry/sdk/batch_span_processor.hpp>

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include <weir/telemetry/api/metric_list.hpp>

namespace weir::telemetry {
namespace {

using namespace std::chrono_literals;

Result<void> check(const BatchOptions& options) {
  const auto range = [](std::string_view field, auto value, auto min, auto max,
                        std::string_view unit) -> Result<void> {
    if (value >= min && value <= max) return {};
    return invalid_field(
        field, fmt::format("{}{} is not in the range {} to {}{}", value, unit, min, max, unit));
  };
  WEIR_TRY(range("queue_max", options.queue_max, std::size_t{1}, std::size_t{1'000'000}, ""));
  WEIR_TRY(range("batch_max", options.batch_max, std::size_t{1}, options.queue_max, ""));
  WEIR_TRY(range("every", options.every.count(), 1, 3'600'000, " ms"));
  return range("export_timeout", options.export_timeout.count(), 1, 600'000, " ms");
}

}  // namespace

struct BatchSpanProcessor::Shared {
  Shared(std::unique_ptr<SpanExporter> to, BatchOptions how, Meter& meter, const Clock& time)
      : exporter(std::move(to)),
        options(how),
        clock(time),
        processed(meter.counter(metric::sdk_spans_processed).bind({""})),
        dropped_full(meter.counter(metric::sdk_spans_processed).bind({"queue_full"})),
        dropped_ended(meter.counter(metric::sdk_spans_processed).bind({"already_shutdown"})),
        exported(meter.counter(metric::sdk_spans_exported).bind({""})),
        failed(meter.counter(metric::sdk_spans_exported)),
        duration(meter.histogram(metric::sdk_export_duration)) {}

  void export_batch(const SpanBatch& batch);

  const std::unique_ptr<SpanExporter> exporter;
  const BatchOptions options;
  const Clock& clock;
  const BoundCounter processed, dropped_full, dropped_ended, exported;
  const Counter failed;
  const Histogram duration;

  mutable std::mutex mutex;
  std::condition_variable wake;  ///< for the thread
  std::condition_variable done;  ///< for those who flush
  std::vector<std::unique_ptr<SpanData>> queue;
  /// Spans ever queued, and spans ever exported or given up: a flush waits for the one to reach
  /// what the other was, so that no wake-up can be lost.
  std::uint64_t queued = 0;
  std::uint64_t settled = 0;
  std::uint64_t flush_up_to = 0;
  bool stopping = false;
  bool ended = false;
  /// Nobody waits for the exporter any longer; it must not use the meter either.
  std::stop_source give_up;
  bool abandoned = false;
};

void BatchSpanProcessor::Shared::export_batch(const SpanBatch& batch) {
  const auto began = clock.instant();
  const auto result =
      exporter->export_spans(batch, began + options.export_timeout, give_up.get_token());
  const auto took = clock.instant() - began;
  const std::lock_guard lock(mutex);
  settled += batch.size();
  done.notify_all();
  if (abandoned) return;
  const auto error = result ? std::string_view() : name_of(result.error().code);
  if (result) {
    const auto rejected = std::min(result->rejected, batch.size());
    exported.add(batch.size() - rejected);
    if (rejected > 0) failed.add(rejected, {"rejected"});
  } else {
    failed.add(batch.size(), {error});
  }
  duration.bind({error}).record(took);
}

Result<std::unique_ptr<BatchSpanProcessor>> BatchSpanProcessor::create(
    std::unique_ptr<SpanExporter> exporter, BatchOptions options, Meter& meter,
    const Clock& clock) {
  if (!exporter) return invalid_field("exporter", "it is missing");
  WEIR_TRY(check(options));
  auto shared = std::make_shared<Shared>(std::move(exporter), options, meter, clock);
  auto made = std::unique_ptr<BatchSpanProcessor>(new BatchSpanProcessor(shared));
  made->observed_.push_back(meter.observe(metric::sdk_span_queue_size, [shared](Observer& to) {
    const std::lock_guard lock(shared->mutex);
    to.observe(static_cast<double>(shared->queue.size()), {});
  }));
  made->observed_.push_back(meter.observe(metric::sdk_span_queue_capacity, [shared](Observer& to) {
    to.observe(static_cast<double>(shared->options.queue_max), {});
  }));
  return made;
}

BatchSpanProcessor::BatchSpanProcessor(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)) {
  std::thread([shared = shared_] { run(*shared); }).detach();
}

BatchSpanProcessor::~BatchSpanProcessor() {
  shut_down(1s);
}

void BatchSpanProcessor::on_end(std::unique_ptr<SpanData> span) {
  auto& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  if (shared.stopping) {
    if (!shared.abandoned) shared.dropped_ended.add();
    return;
  }
  if (shared.queue.size() >= shared.options.queue_max) return shared.dropped_full.add();
  shared.queue.push_back(std::move(span));
  ++shared.queued;
  const bool enough = shared.queue.size() == shared.options.batch_max;
  lock.unlock();
  shared.processed.add();
  if (enough) shared.wake.notify_one();
}

void BatchSpanProcessor::run(Shared& shared) {
  pthread_setname_np(pthread_self(), "weir-spans");
  std::unique_lock lock(shared.mutex);
  while (true) {
    const auto due = [&] {
      return shared.stopping || shared.flush_up_to > shared.settled ||
             shared.queue.size() >= shared.options.batch_max;
    };
    shared.wake.wait_for(lock, shared.options.every, due);
    while (!shared.queue.empty() && !shared.give_up.stop_requested()) {
      const auto count = std::min(shared.queue.size(), shared.options.batch_max);
      const auto begin = shared.queue.begin();
      SpanBatch batch(std::make_move_iterator(begin),
                      std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count)));
      shared.queue.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
      lock.unlock();
      shared.export_batch(batch);
      lock.lock();
    }
    if (shared.stopping) break;
  }
  if (!shared.abandoned && !shared.queue.empty()) {
    shared.failed.add(shared.queue.size(), {"already_shutdown"});
  }
  shared.queue.clear();
  shared.ended = true;
  shared.done.notify_all();
}

bool BatchSpanProcessor::force_flush(std::chrono::nanoseconds timeout) {
  auto& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  const auto target = shared.queued;
  shared.flush_up_to = std::max(shared.flush_up_to, target);
  shared.wake.notify_one();
  return shared.done.wait_for(lock, timeout,
                              [&] { return shared.settled >= target || shared.ended; });
}

bool BatchSpanProcessor::shut_down(std::chrono::nanoseconds timeout) {
  auto& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  shared.stopping = true;
  shared.wake.notify_one();
  const bool in_time = shared.done.wait_for(lock, timeout, [&] { return shared.ended; });
  if (in_time) return true;
  // Exporters end soon after this; one that doesn't keeps its thread, and nobody waits for it.
  lock.unlock();
  shared.give_up.request_stop();
  lock.lock();
  constexpr auto soon = 250ms;
  if (!shared.done.wait_for(lock, soon, [&] { return shared.ended; })) shared.abandoned = true;
  return false;
}

std::size_t BatchSpanProcessor::queue_size() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->queue.size();
}

}  // namespace weir::telemetry
