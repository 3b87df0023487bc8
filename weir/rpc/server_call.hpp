#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <weir/base/assert.hpp>
#include <weir/rpc/poller.hpp>

namespace weir::rpc {

/// A server's poller.
struct ServerPoller {
  ServerPoller(std::unique_ptr<grpc::ServerCompletionQueue> own, const char* name)
      : queue(own.get()), poller(std::move(own), name, Poller::StandIn::yes) {}

  grpc::ServerCompletionQueue* const queue;
  Poller poller;
};

/// What is done about one call. The names and rules are those of gRPC's own reactors.
/// Threads: the poller's.
class ServerReactor {
 public:
  virtual ~ServerReactor() = default;
  virtual void OnReadDone(bool) {}
  virtual void OnWriteDone(bool) {}
  /// The client has gone, or its deadline has passed.
  virtual void OnCancel() {}
  /// Nothing of the call is left, and nothing more comes. Only after it was finished.
  virtual void OnDone() = 0;
};

/// gRPC's side of one call, which is there until its reactor was told OnDone. To be finished once;
/// nothing may be started after that.
/// Threads: any.
class ServerCall {
 public:
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  grpc::ServerContext& context() { return context_; }
  const grpc::ServerContext& context() const { return context_; }
  /// Whom it tells. In the handler, before it returns; without one nobody is told.
  void set_reactor(ServerReactor& reactor) { reactor_ = &reactor; }

  virtual void finish(const grpc::Status& status) = 0;

 protected:
  explicit ServerCall(Poller& poller);
  virtual ~ServerCall();

  void begin() { under_way_.fetch_add(1, std::memory_order_relaxed); }
  void end();
  void read_done(bool ok);
  void write_done(bool ok);
  void done(bool) { end(); }

  static void* tag(Tag& tag) { return &tag; }

  TagOf<ServerCall, &ServerCall::done> finish_{*this};

 private:
  void over(bool);

  Poller& poller_;
  grpc::ServerContext context_;
  ServerReactor* reactor_ = nullptr;
  /// The call itself, its being finished, and what else was started.
  std::atomic<int> under_way_ = 2;
  TagOf<ServerCall, &ServerCall::over> over_{*this};

 protected:
  TagOf<ServerCall, &ServerCall::read_done> read_{*this};
  TagOf<ServerCall, &ServerCall::write_done> write_{*this};
};

/// A call that is answered with a stream.
template <class Response>
class ServerWriter : public ServerCall {
 public:
  /// Otherwise the first message or the end tells the client that the call was taken.
  virtual void send_initial_metadata() = 0;
  /// One at a time; `response` must live until OnWriteDone.
  virtual void write(const Response& response) = 0;

 protected:
  using ServerCall::ServerCall;
};

/// A call with streams both ways.
template <class Request, class Response>
class ServerReaderWriter : public ServerWriter<Response> {
 public:
  /// One at a time; `request` must live until OnReadDone.
  virtual void read(Request& request) = 0;

 protected:
  using ServerWriter<Response>::ServerWriter;
};

/// One method of a service: how its calls are taken, and what is then done.
class Method {
 public:
  virtual ~Method() = default;
  /// Takes calls by this poller, until the server is shut down.
  virtual void listen(ServerPoller& poller) const = 0;
};

/// A service whose calls pollers take.
class Service {
 public:
  virtual ~Service() = default;
  /// For the server's builder.
  virtual grpc::Service& api() = 0;
  /// Once the server has started. The service must outlive the server.
  void listen(ServerPoller& poller) const {
    for (const auto& method : methods_) method->listen(poller);
  }

 protected:
  std::vector<std::unique_ptr<Method>> methods_;
};

/// Calls of a method that are waited for at once; each that comes is replaced before it is handled.
inline constexpr int calls_awaited = 16;

namespace detail {

/// A call and what answers it.
template <class Base, class Responder>
class Answered : public Base {
 protected:
  using Base::Base;
  Responder responder_{&this->context()};
};

/// A call that is answered with a stream.
template <class Base, class Responder>
class Streamed : public Answered<Base, Responder> {
 public:
  void send_initial_metadata() override {
    this->begin();
    this->responder_.SendInitialMetadata(this->tag(metadata_));
  }
  void finish(const grpc::Status& status) override {
    this->responder_.Finish(status, this->tag(this->finish_));
  }

 protected:
  using Answered<Base, Responder>::Answered;

  template <class Response>
  void write_next(const Response& response) {
    this->begin();
    this->responder_.Write(response, this->tag(this->write_));
  }

 private:
  void metadata_sent(bool) { this->end(); }

  TagOf<Streamed, &Streamed::metadata_sent> metadata_{*this};
};

// The kinds of calls. take() gives a Request function what it fills in, handle() what came.

template <class Request, class Response>
class UnaryCall : public Answered<ServerCall, grpc::ServerAsyncResponseWriter<Response>> {
 public:
  using Handle = std::function<void(ServerCall&, Request&, Response&)>;

  template <class Take>
  void take(Take take) {
    take(&this->context(), &request_, &this->responder_);
  }
  void handle(const Handle& handle) { handle(*this, request_, response_); }
  void finish(const grpc::Status& status) override {
    if (status.ok()) {
      this->responder_.Finish(response_, status, this->tag(this->finish_));
    } else {
      this->responder_.FinishWithError(status, this->tag(this->finish_));
    }
  }

 protected:
  using Answered<ServerCall, grpc::ServerAsyncResponseWriter<Response>>::Answered;

 private:
  Request request_;
  Response response_;
};

template <class Request, class Response>
class WriterCall : public Streamed<ServerWriter<Response>, grpc::ServerAsyncWriter<Response>> {
 public:
  using Handle = std::function<void(ServerWriter<Response>&, Request&)>;

  template <class Take>
  void take(Take take) {
    take(&this->context(), &request_, &this->responder_);
  }
  void handle(const Handle& handle) { handle(*this, request_); }
  void write(const Response& response) override { this->write_next(response); }

 protected:
  using Streamed<ServerWriter<Response>, grpc::ServerAsyncWriter<Response>>::Streamed;

 private:
  Request request_;
};

template <class Request, class Response>
class ReaderWriterCall : public Streamed<ServerReaderWriter<Request, Response>,
                                         grpc::ServerAsyncReaderWriter<Response, Request>> {
 public:
  using Handle = std::function<void(ServerReaderWriter<Request, Response>&)>;

  template <class Take>
  void take(Take take) {
    take(&this->context(), &this->responder_);
  }
  void handle(const Handle& handle) { handle(*this); }
  void write(const Response& response) override { this->write_next(response); }
  void read(Request& request) override {
    this->begin();
    this->responder_.Read(&request, this->tag(this->read_));
  }

 protected:
  using Streamed<ServerReaderWriter<Request, Response>,
                 grpc::ServerAsyncReaderWriter<Response, Request>>::Streamed;
};

/// The method whose calls are of that kind.
template <class Kind>
class MethodOf final : public Method {
 public:
  using Take = std::function<void(Kind&, grpc::ServerCompletionQueue*, void*)>;

  MethodOf(Take take, typename Kind::Handle handle)
      : take_(std::move(take)), handle_(std::move(handle)) {}
  void listen(ServerPoller& poller) const override {
    for (int i = 0; i < calls_awaited; ++i) new Call(*this, poller);  // owns itself
  }

 private:
  /// Waits for a call, and then is it.
  class Call final : public Kind {
   public:
    Call(const MethodOf& method, ServerPoller& poller)
        : Kind(poller.poller), method_(method), poller_(poller) {
      method.take_(*this, poller.queue, this->tag(taken_));
    }

   private:
    void taken(bool ok) {
      if (!ok) {  // the server is shut down
        delete this;
        return;
      }
      new Call(method_, poller_);  // owns itself
      this->handle(method_.handle_);
    }

    const MethodOf& method_;
    ServerPoller& poller_;
    TagOf<Call, &Call::taken> taken_{*this};
  };

  const Take take_;
  const typename Kind::Handle handle_;
};

template <class Kind, class Api, class Take, class Handle>
std::unique_ptr<Method> method_of(Api& api, Take take, Handle handle) {
  return std::make_unique<MethodOf<Kind>>(
      [&api, take](Kind& call, grpc::ServerCompletionQueue* queue, void* tag) {
        call.take([&](auto*... filled_in) { (api.*take)(filled_in..., queue, queue, tag); });
      },
      std::move(handle));
}

}  // namespace detail

/// The methods of a generated service `api`, which must outlive them. `take` is its Request
/// function for the method, as &Api::RequestAppend; `handle` is called with each call on a poller's
/// thread and must not block: (ServerCall&, Request&, Response&), where request and response live
/// as long as the call and are its own.
template <class Api, class Base, class Request, class Response, class Handle>
std::unique_ptr<Method> method(Api& api,
                               void (Base::*take)(grpc::ServerContext*, Request*,
                                                  grpc::ServerAsyncResponseWriter<Response>*,
                                                  grpc::CompletionQueue*,
                                                  grpc::ServerCompletionQueue*, void*),
                               Handle handle) {
  return detail::method_of<detail::UnaryCall<Request, Response>>(api, take, std::move(handle));
}

/// Of a method that streams its answer: (ServerWriter<Response>&, Request&).
template <class Api, class Base, class Request, class Response, class Handle>
std::unique_ptr<Method> method(Api& api,
                               void (Base::*take)(grpc::ServerContext*, Request*,
                                                  grpc::ServerAsyncWriter<Response>*,
                                                  grpc::CompletionQueue*,
                                                  grpc::ServerCompletionQueue*, void*),
                               Handle handle) {
  return detail::method_of<detail::WriterCall<Request, Response>>(api, take, std::move(handle));
}

/// Of a method that streams both ways: (ServerReaderWriter<Request, Response>&).
template <class Api, class Base, class Request, class Response, class Handle>
std::unique_ptr<Method> method(Api& api,
                               void (Base::*take)(grpc::ServerContext*,
                                                  grpc::ServerAsyncReaderWriter<Response, Request>*,
                                                  grpc::CompletionQueue*,
                                                  grpc::ServerCompletionQueue*, void*),
                               Handle handle) {
  return detail::method_of<detail::ReaderWriterCall<Request, Response>>(api, take,
                                                                        std::move(handle));
}

}  // namespace weir::rpc
