#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/security/token.hpp>
#include <weir/server/line_budget.hpp>
#include <weir/telemetry/api/context.hpp>
#include <weir/telemetry/api/metrics.hpp>

namespace weir::server {

class Access;

/// A token that has been found, until it is revoked or expires.
struct Holder {
  security::Token token;
  std::stop_source ended;
};

/// Who makes a call, and what it may. A value; the Access must outlive it.
/// Threads: any.
class Caller {
 public:
  /// May do everything.
  Caller() = default;

  /// Errors: unauthenticated (no token, or nobody's), permission_denied (it lacks the right; an
  /// empty log is "default"). Each is counted, and logged within bounds with the ids of `context`.
  Result<void> may(security::Right right, std::string_view log,
                   const telemetry::Context& context = {}) const;
  /// Whether there is a token that is somebody's, whatever its rights. Errors: unauthenticated.
  Result<void> known(const telemetry::Context& context = {}) const;
  /// The same as may() of any right, without counting: to leave out what somebody may not see.
  bool sees(std::string_view log) const;
  /// The same as known(), without counting: to show more to those who have a token.
  bool is_known() const { return access_ == nullptr || holder_ != nullptr; }
  /// Fires when the token is revoked, loses rights or expires: streams end then.
  std::stop_token ended() const;

 private:
  friend class Access;
  enum class Fault : std::uint8_t { none, missing, malformed, unknown, expired };
  Result<void> valid(const telemetry::Context& context) const;

  const Access* access_ = nullptr;
  std::shared_ptr<const Holder> holder_;
  Fault fault_ = Fault::none;
  std::string peer_;
};

struct AccessOptions {
  /// Absent: everybody may do everything.
  std::optional<security::Tokens> tokens = std::nullopt;
  /// Counts denied calls. Must outlive the access.
  telemetry::Meter* meter = &telemetry::no_meter();
  const Clock* clock = &system_clock();
  /// Told of denied calls, without secrets. Default: the process's log.
  std::function<void(const std::string& line)> log = nullptr;
};

/// Who may do what on a server.
/// Threads: any.
class Access {
 public:
  explicit Access(AccessOptions options);

  bool has_tokens() const { return tokens_needed_; }

  /// Of a call over gRPC, by its metadata "authorization". One from within the process may be made
  /// for somebody else, whose address it says by peer_metadata.
  Caller caller(const grpc::ServerContext& context) const;
  /// By the value of such a header; empty: there is none.
  Caller caller(std::string_view authorization, std::string_view peer) const;

  /// What this process itself sends to be let in, to read; of this run alone, and in no file. Empty
  /// when no tokens are needed.
  const std::string& own_authorization() const { return own_authorization_; }

  /// Takes these tokens instead of those it has. Who holds one that is not there as it was any
  /// longer is told by Caller::ended().
  void replace(const security::Tokens& tokens);
  /// Tells those whose token has expired. To be called now and then.
  void end_expired();

  /// For callers.
  void denied(std::string_view why, const Caller& caller, std::string_view what,
              const telemetry::Context& context) const;
  const Clock& clock() const { return *options_.clock; }

 private:
  using Holders = std::map<std::string, std::shared_ptr<Holder>, std::less<>>;
  struct Known {
    security::Tokens tokens;
    Holders holders;
  };

  std::shared_ptr<const Known> known() const;

  const AccessOptions options_;
  const bool tokens_needed_;
  std::string own_authorization_;
  std::shared_ptr<Holder> own_;
  const telemetry::Counter denied_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Known> known_;
  mutable std::mutex lines_mutex_;
  mutable LineBudget lines_;
};

/// Ends with `unauthenticated`, for streams whose token is no longer good.
Error token_ended();

}  // namespace weir::server
