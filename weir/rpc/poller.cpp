#include <weir/rpc/poller.hpp>

#include <grpc/support/time.h>
#include <pthread.h>

#include <weir/base/batching.hpp>
#include <weir/rpc/start.hpp>

namespace weir::rpc {
namespace {

/// Told in one scope at most: what is put off until its end is not to wait for long.
constexpr int together_max = 64;

}  // namespace

Poller::Poller(std::unique_ptr<grpc::CompletionQueue> queue, const char* name)
    : queue_(std::move(queue)), thread_([this, name] { run(name); }) {}

Poller::~Poller() {
  for (auto calls = calls_.load(); calls > 0; calls = calls_.load()) calls_.wait(calls);
  queue_->Shutdown();
  thread_.join();
}

void Poller::run(const char* name) {
  pthread_setname_np(pthread_self(), name);
  void* tag = nullptr;
  bool ok = false;
  const auto at_once = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  while (queue_->Next(&tag, &ok)) {
    const Batching together;
    int told = 0;
    do {
      static_cast<Tag*>(tag)->completed(ok);
    } while (++told < together_max &&
             queue_->AsyncNext(&tag, &ok, at_once) == grpc::CompletionQueue::GOT_EVENT);
  }
}

Poller& client_poller() {
  static auto& poller = *[] {
    start_grpc();
    return new Poller(std::make_unique<grpc::CompletionQueue>(), "weir-client");
  }();
  return poller;
}

}  // namespace weir::rpc
