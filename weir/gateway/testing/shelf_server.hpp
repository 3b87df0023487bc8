#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <grpcpp/server.h>

#include <weir/gateway/testing/shelf.grpc.pb.h>
#include <weir/gateway/gateway.hpp>

namespace weir::gateway::testing {

/// A real gRPC server in the process that serves Shelf, for tests of the gateway.
/// Threads: any.
class ShelfServer final : public Shelf::CallbackService {
 public:
  ShelfServer();
  ~ShelfServer() override;

  std::shared_ptr<grpc::Channel> channel() { return channel_; }

  /// Options of a gateway for it on a free port of 127.0.0.1.
  GatewayOptions gateway_options();

  /// Calls that were cancelled by their client while the server worked on them.
  int cancelled() const { return cancelled_; }
  /// Wait calls and Follow streams at work.
  int waiting() const { return waiting_; }
  /// Responses that List and Follow have handed to gRPC.
  std::uint64_t written() const { return written_; }
  /// The metadata of the last Echo, as "name=value\n" for authorization and traceparent.
  std::string last_metadata() const;

 private:
  friend class Counter;
  friend class Waiter;
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const Book* request,
                                 Book* response) override;
  grpc::ServerUnaryReactor* Fail(grpc::CallbackServerContext* context, const FailRequest* request,
                                 Book* response) override;
  grpc::ServerUnaryReactor* Wait(grpc::CallbackServerContext* context, const WaitRequest* request,
                                 Book* response) override;
  grpc::ServerWriteReactor<ListResponse>* List(grpc::CallbackServerContext* context,
                                               const ListRequest* request) override;
  grpc::ServerWriteReactor<ListResponse>* Follow(grpc::CallbackServerContext* context,
                                                 const FollowRequest* request) override;
  grpc::ServerWriteReactor<Book>* Plain(grpc::CallbackServerContext* context,
                                        const ListRequest* request) override;

  std::atomic<int> cancelled_{0};
  std::atomic<int> waiting_{0};
  std::atomic<std::uint64_t> written_{0};
  mutable std::mutex mutex_;
  std::string metadata_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace weir::gateway::testing
