#include <weir/server/admission.hpp>

#include <algorithm>
#include <climits>

#include <fmt/format.h>

#include <weir/base/assert.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::server {
namespace {

using resilience::RateLimiter;
using resilience::RateLimiterOptions;

/// Of what is refused because there is too much at once, whoever asks.
constexpr std::chrono::milliseconds overload_delay{50};
constexpr int at_once_max = 1'000'000;

Result<void> check_range(std::string_view name, const std::optional<int>& value, int least,
                         int most) {
  if (!value || (*value >= least && *value <= most)) return {};
  return invalid_field(name, fmt::format("{}, must be from {} to {}", *value, least, most));
}

RateLimiterOptions limiter_of(const AdmissionOptions::Rate& rate, int clients_max,
                              const char* name) {
  return {.name = name,
          .permits = rate.permits,
          .per = rate.per,
          .burst = rate.burst,
          .keyed = true,
          .keys_max = clients_max};
}

Result<void> check_rate(const std::optional<AdmissionOptions::Rate>& rate, int clients_max,
                        const char* name) {
  if (!rate) return {};
  return resilience::check(limiter_of(*rate, clients_max, name));
}

std::shared_ptr<RateLimiter> make_limiter(const std::optional<AdmissionOptions::Rate>& rate,
                                          int clients_max, const char* name) {
  if (!rate) return nullptr;
  return RateLimiter::create(limiter_of(*rate, clients_max, name)).value();
}

bool same(const std::optional<AdmissionOptions::Rate>& a,
          const std::optional<AdmissionOptions::Rate>& b) {
  if (!a || !b) return !a && !b;
  return a->permits == b->permits && a->per == b->per && a->burst == b->burst;
}

/// One more, unless there are as many as there may be.
bool enter(std::atomic<int>& now, const std::atomic<int>& most) {
  if (now.fetch_add(1, std::memory_order_relaxed) < most.load(std::memory_order_relaxed)) {
    return true;
  }
  now.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

Result<void> check(const AdmissionOptions& options) {
  WEIR_TRY(check_range("calls_at_once", options.calls_at_once, 1, at_once_max));
  WEIR_TRY(check_range("streams_at_once", options.streams_at_once, 1, at_once_max));
  WEIR_TRY(check_range("clients_max", options.clients_max, 16, 10'000'000));
  if (options.adaptive) WEIR_TRY(resilience::check(*options.adaptive));
  WEIR_TRY(check_rate(options.calls, options.clients_max, "calls"));
  WEIR_TRY(check_rate(options.streams, options.clients_max, "streams"));
  return check_rate(options.kibibytes, options.clients_max, "kibibytes");
}

Result<std::unique_ptr<Admission>> Admission::create(const AdmissionOptions& options,
                                                     telemetry::Meter& meter, const Clock& clock) {
  WEIR_TRY(check(options));
  return std::unique_ptr<Admission>(new Admission(options, meter, clock));
}

Admission::Admission(const AdmissionOptions& options, telemetry::Meter& meter, const Clock& clock)
    : clock_(clock), rejected_(meter.counter(telemetry::metric::server_rejected)) {
  if (options.adaptive) adaptive_ = resilience::AdaptiveLimit::create(*options.adaptive).value();
  const auto taken = replace(options);
  WEIR_ASSERT(taken.ok());  // create() has checked them
}

Result<void> Admission::replace(const AdmissionOptions& options) {
  WEIR_TRY(check(options));
  const std::lock_guard lock(mutex_);
  const bool others = options.clients_max != options_.clients_max;
  const auto take = [&](std::shared_ptr<RateLimiter>& limiter,
                        std::optional<AdmissionOptions::Rate> AdmissionOptions::*rate,
                        const char* name) {
    if (!others && same(options_.*rate, options.*rate)) return;
    limiter = make_limiter(options.*rate, options.clients_max, name);
  };
  take(rates_.calls, &AdmissionOptions::calls, "calls");
  take(rates_.streams, &AdmissionOptions::streams, "streams");
  take(rates_.kibibytes, &AdmissionOptions::kibibytes, "kibibytes");
  options_ = options;
  calls_at_once_ = options.calls_at_once.value_or(INT_MAX);
  streams_at_once_ = options.streams_at_once.value_or(INT_MAX);
  by_client_ = rates_.calls || rates_.streams || rates_.kibibytes;
  by_bytes_ = rates_.kibibytes != nullptr;
  return {};
}

Admission::Rates Admission::rates() const {
  const std::lock_guard lock(mutex_);
  return rates_;
}

Error Admission::refuse(std::string_view why, std::string message,
                        std::chrono::milliseconds retry_after) {
  rejected_.add(1, {why});
  return overloaded(message, retry_after);
}

Result<void> Admission::within_rates(std::shared_ptr<RateLimiter> Rates::*own,
                                     std::string_view what, std::string_view client,
                                     std::size_t bytes) {
  if (!by_client()) return {};
  const auto rates = this->rates();
  const auto now = clock_.instant();
  const auto rounded = [](Instant::duration wait) {
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(wait),
                    std::chrono::milliseconds(1));
  };
  if (const auto& limiter = rates.*own; limiter != nullptr) {
    if (const auto admitted = limiter->admit(now, client); !admitted) {
      return refuse(what, fmt::format("client {} makes more {} than its rate allows", client, what),
                    rounded(admitted.retry_after));
    }
  }
  if (rates.kibibytes == nullptr) return {};
  const auto size = static_cast<int>(std::min<std::size_t>(bytes / 1024 + 1, 1'000'000));
  if (const auto admitted = rates.kibibytes->admit(now, client, size); !admitted) {
    return refuse("bytes", fmt::format("client {} sends more bytes than its rate allows", client),
                  rounded(admitted.retry_after));
  }
  return {};
}

Result<Admission::Ticket> Admission::call(std::string_view client, std::size_t bytes) {
  WEIR_TRY(within_rates(&Rates::calls, "calls", client, bytes));
  if (!enter(calls_now_, calls_at_once_)) {
    return refuse("calls_at_once",
                  fmt::format("{} calls are under way, the limit", calls_at_once_.load()),
                  overload_delay);
  }
  if (adaptive_ == nullptr) return Ticket(*this, Ticket::Of::call, {});
  if (adaptive_->try_enter()) return Ticket(*this, Ticket::Of::call, clock_.instant());
  calls_now_.fetch_sub(1, std::memory_order_relaxed);
  return refuse("adaptive", "more calls are under way than the store can take at present",
                overload_delay);
}

Result<Admission::Ticket> Admission::stream(std::string_view client, std::size_t bytes) {
  WEIR_TRY(within_rates(&Rates::streams, "streams", client, bytes));
  if (enter(streams_now_, streams_at_once_)) {
    return Ticket(*this, Ticket::Of::stream, {});
  }
  return refuse("streams_at_once",
                fmt::format("{} streams are open, the limit", streams_at_once_.load()),
                overload_delay);
}

Admission::Ticket& Admission::Ticket::operator=(Ticket&& other) noexcept {
  leave();
  admission_ = std::exchange(other.admission_, nullptr);
  of_ = other.of_;
  began_ = other.began_;
  return *this;
}

void Admission::Ticket::leave() {
  auto* admission = std::exchange(admission_, nullptr);
  if (admission == nullptr) return;
  auto& now = of_ == Of::call ? admission->calls_now_ : admission->streams_now_;
  now.fetch_sub(1, std::memory_order_relaxed);
  if (of_ == Of::stream || admission->adaptive_ == nullptr) return;
  const auto ended = admission->clock_.instant();
  admission->adaptive_->leave(resilience::AdaptiveLimit::Verdict::success, ended - began_, ended,
                              0.5);
}

std::optional<std::string> handed_on_for(const grpc::ServerContext& context) {
  const std::string peer = context.peer();
  // gRPC knows no address of a channel within the process, and of every other one.
  if (peer != "unknown" && !peer.starts_with("inproc")) return std::nullopt;
  const auto said = context.client_metadata().find(peer_metadata);
  if (said == context.client_metadata().end()) return "";
  return std::string(said->second.data(), said->second.size());
}

std::string client_of(const grpc::ServerContext& context) {
  if (auto client = handed_on_for(context)) return client->empty() ? "in process" : *client;
  const std::string peer = context.peer();
  const auto begin = peer.find(':');
  const auto end = peer.rfind(':');
  if (begin == std::string::npos) return peer;
  if (begin == end || !peer.starts_with("ip")) return peer.substr(0, begin);
  auto address = peer.substr(begin + 1, end - begin - 1);
  // gRPC writes [::1] as %5B::1%5D.
  if (address.starts_with("%5B")) address = address.substr(3, address.size() - 6);
  if (address.starts_with("[")) address = address.substr(1, address.size() - 2);
  return address;
}

}  // namespace weir::server
