#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <weir/resilience/adaptive_limit/adaptive_limit.hpp>
#include <weir/resilience/rate_limiter/rate_limiter.hpp>
#include <weir/telemetry/api/metrics.hpp>

namespace weir::server {

struct AdmissionOptions {
  /// A token bucket.
  struct Rate {
    /// In `per`. Range 1 to 10,000,000.
    int permits = 0;
    /// Range 1 ms to 24 h, at least 100 ns for each permit. Default 1 s.
    resilience::Duration per = std::chrono::seconds(1);
    /// At once, after a pause. Range 1 to 10,000,000. Default: `permits`.
    std::optional<int> burst = {};
  };

  /// Unary calls, and requests on Session streams, that may be under way at once, of all clients
  /// together. Range 1 to 1,000,000. Default 50,000; nothing: no bound.
  std::optional<int> calls_at_once = 50'000;
  /// Streams (reads, subscriptions, sessions) that may be open at once, likewise. Range 1 to
  /// 1,000,000. Default 50,000; nothing: no bound.
  std::optional<int> streams_at_once = 50'000;
  /// As many calls at once as the store shows that it can take, by how long they last, within
  /// calls_at_once. Default: no such limit.
  std::optional<resilience::AdaptiveLimitOptions> adaptive = {};
  /// Of each client. Default: none.
  std::optional<Rate> calls = {};
  std::optional<Rate> streams = {};
  /// KiB of requests; a part of one counts whole.
  std::optional<Rate> kibibytes = {};
  /// Clients that are told apart; past that, the one unused for longest begins anew. Range 16 to
  /// 10,000,000. Default 10,000.
  int clients_max = 10'000;
};

/// Errors: invalid_argument, "calls_at_once: 0, must be from 1 to 1000000".
Result<void> check(const AdmissionOptions& options);

/// Turns calls away before they cost anything, when there are too many at once or one client makes
/// too many. Health, reflection and /metrics never ask it.
/// Threads: any; takes a lock only for a client's rate.
class Admission {
 public:
  /// A call that is under way; over when it goes.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept { *this = std::move(other); }
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket() { leave(); }
    void leave();

   private:
    friend class Admission;
    enum class Of : std::uint8_t { call, stream };
    Ticket(Admission& admission, Of of, Instant began)
        : admission_(&admission), of_(of), began_(began) {}
    Admission* admission_ = nullptr;
    Of of_ = Of::call;
    Instant began_{};
  };

  static Result<std::unique_ptr<Admission>> create(const AdmissionOptions& options,
                                                   telemetry::Meter& meter, const Clock& clock);

  /// Takes other bounds and rates; `adaptive` stays. Clients of a rate that changes begin anew.
  /// Errors: see check(); nothing changes then.
  Result<void> replace(const AdmissionOptions& options);

  /// Whether a client matters. If not, nobody need find out who it is.
  bool by_client() const { return by_client_.load(std::memory_order_relaxed); }
  bool by_bytes() const { return by_bytes_.load(std::memory_order_relaxed); }

  /// Errors: resource_exhausted (overloaded), with retry_after.
  Result<Ticket> call(std::string_view client, std::size_t bytes);
  Result<Ticket> stream(std::string_view client, std::size_t bytes);

  int calls_under_way() const { return calls_now_.load(std::memory_order_relaxed); }
  int streams_open() const { return streams_now_.load(std::memory_order_relaxed); }

 private:
  /// What is counted of each client; null where nothing is.
  struct Rates {
    std::shared_ptr<resilience::RateLimiter> calls, streams, kibibytes;
  };

  Admission(const AdmissionOptions& options, telemetry::Meter& meter, const Clock& clock);
  Rates rates() const;
  Result<void> within_rates(std::shared_ptr<resilience::RateLimiter> Rates::*own,
                            std::string_view what, std::string_view client, std::size_t bytes);
  Error refuse(std::string_view why, std::string message, std::chrono::milliseconds retry_after);

  const Clock& clock_;
  const telemetry::Counter rejected_;
  std::atomic<int> calls_now_{0};
  std::atomic<int> streams_now_{0};
  std::atomic<int> calls_at_once_;
  std::atomic<int> streams_at_once_;
  std::atomic<bool> by_client_ = false;
  std::atomic<bool> by_bytes_ = false;
  std::unique_ptr<resilience::AdaptiveLimit> adaptive_;
  mutable std::mutex mutex_;
  AdmissionOptions options_;
  Rates rates_;
};

/// Metadata by which our own gateway says whose request it hands on. Believed on its channel alone.
inline constexpr const char* peer_metadata = "weir-peer";

/// For whom our own gateway, or whoever else calls from within this process, hands a call on: empty
/// when it does not say. Nothing when the call came from outside.
std::optional<std::string> handed_on_for(const grpc::ServerContext& context);

/// Whom a call is counted for: the address that it came from, without a port.
std::string client_of(const grpc::ServerContext& context);

}  // namespace weir::server
