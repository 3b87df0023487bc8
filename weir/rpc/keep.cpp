#include <weir/rpc/keep.hpp>

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

namespace weir::rpc {
namespace {

struct Probe {
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer response;
};

/// A channel holds the queue from its first callback on until it goes, and this one never does. The
/// call reaches nobody: its deadline has passed.
bool keep() {
  // Abseil as Debian builds it looks for deadlocks at every lock that gRPC takes, with one lock of
  // its own for all threads.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc_init();
  static auto* const channel = new std::shared_ptr<grpc::Channel>(
      grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials()));
  static auto* const stub = new grpc::GenericStub(*channel);
  auto* probe = new Probe;
  probe->context.set_deadline(gpr_time_0(GPR_CLOCK_REALTIME));
  stub->UnaryCall(&probe->context, "/weir.Keep/Nothing", grpc::StubOptions(), &probe->request,
                  &probe->response, [probe](const grpc::Status&) { delete probe; });
  return true;
}

}  // namespace

void keep_grpc() {
  static const bool kept = keep();
  static_cast<void>(kept);
}

}  // namespace weir::rpc
