#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include <weir/base/assert.hpp>
#include <weir/rpc/poller.hpp>

namespace weir::rpc {

/// A call with streams both ways, or one request and a stream of responses, as a reactor: the
/// names and rules are those of gRPC's own reactors for clients.
/// Reads and writes may be started by anybody while a hold is on, else by reactions only; one of
/// each at a time. The first write takes the call's metadata along, so nothing is sent before it.
/// When there is neither a hold nor an operation left the call is finished, and OnDone is the last
/// reaction; the object must live until then.
/// Threads: operations any; reactions the poller's.
template <class Request, class Response>
class ClientStream {
 public:
  virtual ~ClientStream() = default;

 protected:
  ClientStream() = default;

  /// `method`: "/weir.v1.EventLog/Read". Before anything else, and with context() complete.
  void StartCall(const std::shared_ptr<grpc::ChannelInterface>& channel, const std::string& method,
                 Poller& poller) {
    context_.set_initial_metadata_corked(true);
    grpc::TemplatedGenericStub<Request, Response> stub(channel);
    stream_ = stub.PrepareCall(&context_, method, &poller.queue());
    WEIR_ASSERT(stream_ != nullptr);
    stream_->StartCall(nullptr);
    poller_ = &poller;
    poller_->begin_call();
  }
  grpc::ClientContext& context() { return context_; }
  const grpc::ClientContext& context() const { return context_; }

  void StartRead(Response* response) {
    begin();
    stream_->Read(response, static_cast<Tag*>(&read_));
  }
  void StartWrite(const Request* request) {
    begin();
    stream_->Write(*request, static_cast<Tag*>(&write_));
  }
  void StartWriteLast(const Request* request) {
    begin();
    stream_->WriteLast(*request, grpc::WriteOptions(), static_cast<Tag*>(&write_));
  }
  /// Sends the one request of a call and reads the first response, both begun before either can be
  /// over.
  void StartRequest(const Request* request, Response* response) {
    AddHold();
    StartWriteLast(request);
    StartRead(response);
    RemoveHold();
  }
  void AddHold() { begin(); }
  void RemoveHold() { end(); }

  virtual void OnReadDone(bool) {}
  virtual void OnWriteDone(bool) {}
  virtual void OnDone(const grpc::Status& status) = 0;

 private:
  void begin() { under_way_.fetch_add(1, std::memory_order_relaxed); }
  void end() {
    if (under_way_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    stream_->Finish(&status_, static_cast<Tag*>(&finish_));
  }

  void read_done(bool ok) {
    OnReadDone(ok);
    end();
  }
  void write_done(bool ok) {
    OnWriteDone(ok);
    end();
  }
  void finish_done(bool) {
    const auto status = std::move(status_);
    auto* poller = poller_;
    OnDone(status);
    poller->end_call();
  }

  grpc::ClientContext context_;
  /// In the call's own memory, which goes with the context.
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Request, Response>> stream_;
  Poller* poller_ = nullptr;
  grpc::Status status_;
  std::atomic<int> under_way_ = 0;
  TagOf<ClientStream, &ClientStream::read_done> read_{*this};
  TagOf<ClientStream, &ClientStream::write_done> write_{*this};
  TagOf<ClientStream, &ClientStream::finish_done> finish_{*this};
};

/// Starts a unary call; `done` is called once with the status, on the poller's thread. `context`
/// and `response` must live until then; they may go in `done`.
template <class Request, class Response, class Done>
void start_unary(const std::shared_ptr<grpc::ChannelInterface>& channel, const std::string& method,
                 grpc::ClientContext& context, const Request& request, Response& response,
                 Poller& poller, Done done) {
  struct Call final : Tag {
    Call(Poller& on, Done what) : poller(on), done(std::move(what)) { poller.begin_call(); }
    ~Call() { poller.end_call(); }
    void completed(bool) override {
      const std::unique_ptr<Call> self(this);
      reader.reset();  // the context may go with `done`
      done(status);
    }
    Poller& poller;
    Done done;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
  };
  auto call = std::make_unique<Call>(poller, std::move(done));
  grpc::TemplatedGenericStub<Request, Response> stub(channel);
  call->reader = stub.PrepareUnaryCall(&context, method, request, &poller.queue());
  WEIR_ASSERT(call->reader != nullptr);
  auto* tag = call.release();  // takes itself back
  tag->reader->StartCall();
  tag->reader->Finish(&response, &tag->status, static_cast<Tag*>(tag));
}

}  // namespace weir::rpc
