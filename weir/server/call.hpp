#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <stop_token>

#include <weir/rpc/server_call.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/call_report.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/requests.hpp>

namespace weir::server {

/// The caller's deadline on the clock that never jumps; none when it is too far to matter.
inline std::optional<Instant> deadline_of(const grpc::ServerContext& context) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return std::nullopt;
  return system_clock().instant() + std::chrono::duration_cast<std::chrono::nanoseconds>(left);
}

/// A unary call that tells the store when its caller has gone. Finished once, by finish().
/// Owned by itself: it goes when gRPC is done with it and nobody holds the pointer any more.
class UnaryCall final : public rpc::ServerReactor {
 public:
  using Pointer = std::shared_ptr<UnaryCall>;

  /// When refused() says why, the call is to be ended with that. `bytes` gives the request's size,
  /// should it matter.
  template <class Bytes>
  static Pointer start(rpc::ServerCall& of, CallReport report, Admission& admission, Bytes bytes) {
    auto call = Pointer(new UnaryCall(of));
    const auto& context = of.context();
    call->report_ = std::move(report);
    call->self_ = call;
    of.set_reactor(*call);
    call->deadline_ = deadline_of(context);
    auto ticket = admission.call(admission.by_client() ? client_of(context) : std::string(),
                                 admission.by_bytes() ? bytes() : std::size_t{0});
    if (ticket) {
      call->ticket_ = std::move(*ticket);
    } else {
      call->refused_ = ticket.error();
    }
    return call;
  }

  const std::optional<Error>& refused() const { return refused_; }
  /// Whose work it is.
  const telemetry::Context& context() const { return report_.context(); }

  CallOptions options() const {
    return {.deadline = deadline_, .stop = stop_.get_token(), .context = report_.context()};
  }
  void finish(const Result<void>& result) {
    end(result ? grpc::Status::OK : remote::to_status(result.error()));
  }
  void end(const grpc::Status& status) {
    ticket_.leave();
    report_.end(status.error_code());
    call_.finish(status);
  }

 private:
  explicit UnaryCall(rpc::ServerCall& call) : call_(call) {}
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { self_.reset(); }

  rpc::ServerCall& call_;
  Pointer self_;
  std::optional<Instant> deadline_;
  std::stop_source stop_;
  CallReport report_;
  Admission::Ticket ticket_;
  std::optional<Error> refused_;
};

}  // namespace weir::server
