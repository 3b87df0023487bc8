#include <weir/server/health.hpp>

#include <pthread.h>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::server {
namespace {

using std::chrono::milliseconds;

/// Those who wait for the next report; past it the last one must do.
constexpr std::size_t waiting_max = 1024;
/// Share of the appends that may wait from which on the queue is worth a look.
constexpr double queue_high = 0.8;

Result<void> in_range(const char* field, milliseconds value, milliseconds min, milliseconds max) {
  if (value >= min && value <= max) return {};
  return invalid_field(
      field, fmt::format("is {} ms, not {} to {} ms", value.count(), min.count(), max.count()));
}

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

void append_value(std::string& json, const HealthValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return append_json_string(json, *text);
  if (const auto* truth = std::get_if<bool>(&value)) {
    json += *truth ? "true" : "false";
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    json += fmt::format("{}", *whole);
  } else {
    json += fmt::format("{}", std::get<double>(value));
  }
}

void append_check(std::string& json, const HealthCheck& check) {
  append_json_string(json, check.name);
  json += fmt::format(":{{\"status\":\"{}\"", to_string(check.status));
  if (!check.reason.empty()) {
    json += ",\"reason\":";
    append_json_string(json, check.reason);
  }
  for (const auto& [name, value] : check.data) {
    json += ',';
    append_json_string(json, name);
    json += ':';
    append_value(json, value);
  }
  json += '}';
}

HealthCheck look_at_queue(const LogGauges& gauges) {
  HealthCheck check{.name = "queue",
                    .data = {{"depth", static_cast<std::int64_t>(gauges.queue_depth)},
                             {"depth_max", static_cast<std::int64_t>(gauges.queue_max)},
                             {"subscribers", static_cast<std::int64_t>(gauges.subscribers)}}};
  const auto high = queue_high * static_cast<double>(gauges.queue_max);
  if (gauges.queue_max > 0 && static_cast<double>(gauges.queue_depth) >= high) {
    check.worsen(HealthStatus::degraded,
                 fmt::format("{} appends wait, of {} that may: the store does not keep up",
                             gauges.queue_depth, gauges.queue_max));
  }
  return check;
}

gateway::HttpResponse json_response(int status, std::string body) {
  body += '\n';
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = std::move(body)};
}

}  // namespace

Result<void> check(const HealthOptions& options) {
  WEIR_TRY(in_range("patience", options.patience, milliseconds(10), std::chrono::minutes(1)));
  WEIR_TRY(in_range("reuse_for", options.reuse_for, milliseconds(0), std::chrono::minutes(1)));
  return in_range("watch_every", options.watch_every, milliseconds(10), std::chrono::minutes(10));
}

std::string to_json(const HealthReport& report) {
  std::string json = fmt::format("{{\"status\":\"{}\"", to_string(report.status));
  if (report.head) json += fmt::format(",\"head\":{}", report.head->value);
  json += ",\"checks\":{";
  for (const auto& check : report.checks) {
    if (json.back() != '{') json += ',';
    append_check(json, check);
  }
  return json + "}}";
}

Health::Health(std::shared_ptr<Catalog> catalog, std::shared_ptr<EventStore> log,
               HealthOptions options, const Clock& clock)
    : catalog_(std::move(catalog)),
      log_(std::move(log)),
      options_(options),
      clock_(clock),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Health::~Health() {
  stop();
  thread_.request_stop();
  thread_.join();
}

void Health::probe_streams(Probe probe) {
  const std::lock_guard lock(mutex_);
  probe_ = std::move(probe);
  last_.reset();
}

void Health::report(Answer answer) {
  Shared known;
  {
    const std::lock_guard lock(mutex_);
    const bool young = last_ && clock_.instant() - last_at_ < options_.reuse_for;
    if (!young && !(last_ && waiting_.size() >= waiting_max)) {
      waiting_.push_back(std::move(answer));
      changed_.notify_all();
      return;
    }
    known = last_;
  }
  answer(std::move(known));
}

void Health::stop() {
  Probe probe;  // goes without the lock
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  probe = std::exchange(probe_, nullptr);
  last_.reset();
  changed_.notify_all();
}

void Health::watch(const std::shared_ptr<HealthWatcher>& watcher) {
  const std::lock_guard lock(mutex_);
  watchers_.push_back({.by = watcher, .told = std::nullopt});
  waiting_.emplace_back([](const Shared&) {});
  changed_.notify_all();
}

void Health::tell_watchers(HealthStatus status) {
  std::vector<std::shared_ptr<HealthWatcher>> to_tell;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(watchers_, [](const Watched& watched) { return watched.by.expired(); });
    for (auto& watched : watchers_) {
      if (watched.told == status) continue;
      watched.told = status;
      to_tell.push_back(watched.by.lock());
    }
  }
  for (const auto& watcher : to_tell) {
    if (watcher) watcher->changed(status);
  }
}

void Health::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weir-health");
  while (true) {
    std::vector<Answer> answers;
    {
      std::unique_lock lock(mutex_);
      const auto asked = [this] { return !waiting_.empty(); };
      if (!watchers_.empty()) {
        changed_.wait_for(lock, stop, options_.watch_every, asked);
      } else {
        changed_.wait(lock, stop, asked);
      }
      answers = std::exchange(waiting_, {});
    }
    if (stop.stop_requested() && answers.empty()) return;
    const auto report = std::make_shared<const HealthReport>(look());
    {
      const std::lock_guard lock(mutex_);
      last_ = report;
      last_at_ = clock_.instant();
    }
    for (const auto& answer : answers) answer(report);
    tell_watchers(report->status);
  }
}

HealthReport Health::look() {
  HealthReport report;
  bool stopping = false;
  bool probes = false;
  {
    const std::lock_guard lock(mutex_);
    stopping = stopping_;
    probes = probe_ != nullptr;
  }
  if (stopping) {
    report.checks.push_back(
        {.name = "server", .status = HealthStatus::unhealthy, .reason = shutting_down().message});
  } else {
    report.checks.push_back(look_at_log(report));
    if (report.head && probes) report.checks.push_back(look_at_stream(*report.head));
    if (const auto gauges = log_->gauges()) report.checks.push_back(look_at_queue(*gauges));
    for (auto& check : catalog_->health()) report.checks.push_back(std::move(check));
  }
  for (const auto& check : report.checks) report.status = std::max(report.status, check.status);
  return report;
}

/// Asks, unless an answer to the last question is outstanding still; waits as long as patience
/// says.
template <class T>
Result<T> Health::wait_for(const std::function<void(Done<T>)>& begin,
                           std::shared_ptr<Awaited<T>>& outstanding, const char* what) const {
  if (!outstanding) {
    outstanding = std::make_shared<Awaited<T>>();
    begin([awaited = outstanding](Result<T> result) {
      const std::lock_guard lock(awaited->mutex);
      awaited->result = std::move(result);
      awaited->changed.notify_all();
    });
  }
  const auto awaited = outstanding;
  std::unique_lock lock(awaited->mutex);
  if (!awaited->changed.wait_for(lock, options_.patience,
                                 [&] { return awaited->result.has_value(); })) {
    return Error{.code = Code::deadline_exceeded,
                 .message = fmt::format("{} within {} ms", what, options_.patience.count())};
  }
  outstanding.reset();
  return std::move(*awaited->result);
}

HealthCheck Health::look_at_log(HealthReport& report) {
  HealthCheck check{.name = "log"};
  const auto began = clock_.instant();
  const auto head = wait_for<Position>(
      [&](Done<Position> done) {
        log_->head({.deadline = began + options_.patience}, std::move(done));
      },
      head_, "the log did not answer");
  if (head) {
    report.head = *head;
    check.data.emplace_back("took_seconds", seconds(clock_.instant() - began));
  } else {
    check.worsen(HealthStatus::unhealthy, head.error().message);
  }
  return check;
}

HealthCheck Health::look_at_stream(Position head) {
  HealthCheck check{.name = "stream"};
  const auto delivered = wait_for<Delivered>(
      [&](Done<Delivered> done) {
        // One that has begun the server waits for, and it goes once this is stopped.
        const std::lock_guard lock(mutex_);
        if (!probe_) return done(shutting_down());
        probe_(head, std::move(done));
      },
      delivered_, "a stream delivered nothing");
  if (delivered) {
    check.data.emplace_back("delivered", delivered->event ? "the last event" : "no event yet");
    check.data.emplace_back("took_seconds", seconds(delivered->took));
  } else {
    check.worsen(HealthStatus::unhealthy, delivered.error().message);
  }
  return check;
}

std::vector<gateway::Route> Health::routes(
    std::function<bool(const gateway::HttpRequest&)> may_see) {
  using Request = gateway::HttpRequest;
  using Exchange = std::shared_ptr<gateway::Exchange>;
  return {
      {"GET", "/health/live",
       [](Request, const Exchange& exchange) {
         exchange->respond(json_response(200, "{\"status\":\"live\"}"));
       }},
      {"GET", "/health/ready",
       [this, may_see = std::move(may_see)](Request request, const Exchange& exchange) {
         report([exchange, all = may_see(request)](const Shared& report) {
           exchange->respond(json_response(
               report->status == HealthStatus::unhealthy ? 503 : 200,
               all ? to_json(*report)
                   : fmt::format("{{\"status\":\"{}\"}}", to_string(report->status))));
         });
       }},
  };
}

}  // namespace weir::server
