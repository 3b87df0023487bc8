#pragma once

#include <grpcpp/grpcpp.h>

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
      : queue(own.get()), poller(std::move(own), name) {}

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

/// Waits for a call, and then is it.
template <class Taking, class Base>
class Slot : public Base {
 protected:
  Slot(const Taking& method, ServerPoller& poller)
      : Base(poller.poller), method_(method), queue_(poller) {}

  const Taking& method_;
  ServerPoller& queue_;
  typename Taking::Responder responder_{&this->context()};
};

template <class Request, class Response>
class UnaryMethod final : public Method {
 public:
  using Responder = grpc::ServerAsyncResponseWriter<Response>;
  using Take = std::function<void(grpc::ServerContext*, Request*, Responder*,
                                  grpc::ServerCompletionQueue*, void*)>;
  using Handle = std::function<void(ServerCall&, Request&, Response&)>;

  UnaryMethod(Take take, Handle handle) : take_(std::move(take)), handle_(std::move(handle)) {}
  void listen(ServerPoller& poller) const override {
    for (int i = 0; i < calls_awaited; ++i) new Call(*this, poller);  // owns itself
  }

 private:
  class Call final : public Slot<UnaryMethod, ServerCall> {
   public:
    Call(const UnaryMethod& method, ServerPoller& poller)
        : Slot<UnaryMethod, ServerCall>(method, poller) {
      method.take_(&this->context(), &request_, &this->responder_, poller.queue, this->tag(taken_));
    }
    void finish(const grpc::Status& status) override {
      if (status.ok()) {
        this->responder_.Finish(response_, status, this->tag(this->finish_));
      } else {
        this->responder_.FinishWithError(status, this->tag(this->finish_));
      }
    }

   private:
    void taken(bool ok) {
      if (!ok) {  // the server is shut down
        delete this;
        return;
      }
      new Call(this->method_, this->queue_);  // owns itself
      this->method_.handle_(*this, request_, response_);
    }

    Request request_;
    Response response_;
    TagOf<Call, &Call::taken> taken_{*this};
  };

  const Take take_;
  const Handle handle_;
};

template <class Request, class Response>
class WriterMethod final : public Method {
 public:
  using Responder = grpc::ServerAsyncWriter<Response>;
  using Take = std::function<void(grpc::ServerContext*, Request*, Responder*,
                                  grpc::ServerCompletionQueue*, void*)>;
  using Handle = std::function<void(ServerWriter<Response>&, Request&)>;

  WriterMethod(Take take, Handle handle) : take_(std::move(take)), handle_(std::move(handle)) {}
  void listen(ServerPoller& poller) const override {
    for (int i = 0; i < calls_awaited; ++i) new Call(*this, poller);  // owns itself
  }

 private:
  class Call final : public Slot<WriterMethod, ServerWriter<Response>> {
   public:
    Call(const WriterMethod& method, ServerPoller& poller)
        : Slot<WriterMethod, ServerWriter<Response>>(method, poller) {
      method.take_(&this->context(), &request_, &this->responder_, poller.queue, this->tag(taken_));
    }
    void send_initial_metadata() override {
      this->begin();
      this->responder_.SendInitialMetadata(this->tag(metadata_));
    }
    void write(const Response& response) override {
      this->begin();
      this->responder_.Write(response, this->tag(this->write_));
    }
    void finish(const grpc::Status& status) override {
      this->responder_.Finish(status, this->tag(this->finish_));
    }

   private:
    void taken(bool ok) {
      if (!ok) {  // the server is shut down
        delete this;
        return;
      }
      new Call(this->method_, this->queue_);  // owns itself
      this->method_.handle_(*this, request_);
    }
    void metadata_sent(bool) { this->end(); }

    Request request_;
    TagOf<Call, &Call::taken> taken_{*this};
    TagOf<Call, &Call::metadata_sent> metadata_{*this};
  };

  const Take take_;
  const Handle handle_;
};

template <class Request, class Response>
class ReaderWriterMethod final : public Method {
 public:
  using Responder = grpc::ServerAsyncReaderWriter<Response, Request>;
  using Take =
      std::function<void(grpc::ServerContext*, Responder*, grpc::ServerCompletionQueue*, void*)>;
  using Handle = std::function<void(ServerReaderWriter<Request, Response>&)>;

  ReaderWriterMethod(Take take, Handle handle)
      : take_(std::move(take)), handle_(std::move(handle)) {}
  void listen(ServerPoller& poller) const override {
    for (int i = 0; i < calls_awaited; ++i) new Call(*this, poller);  // owns itself
  }

 private:
  class Call final : public Slot<ReaderWriterMethod, ServerReaderWriter<Request, Response>> {
   public:
    Call(const ReaderWriterMethod& method, ServerPoller& poller)
        : Slot<ReaderWriterMethod, ServerReaderWriter<Request, Response>>(method, poller) {
      method.take_(&this->context(), &this->responder_, poller.queue, this->tag(taken_));
    }
    void send_initial_metadata() override {
      this->begin();
      this->responder_.SendInitialMetadata(this->tag(metadata_));
    }
    void read(Request& request) override {
      this->begin();
      this->responder_.Read(&request, this->tag(this->read_));
    }
    void write(const Response& response) override {
      this->begin();
      this->responder_.Write(response, this->tag(this->write_));
    }
    void finish(const grpc::Status& status) override {
      this->responder_.Finish(status, this->tag(this->finish_));
    }

   private:
    void taken(bool ok) {
      if (!ok) {  // the server is shut down
        delete this;
        return;
      }
      new Call(this->method_, this->queue_);  // owns itself
      this->method_.handle_(*this);
    }
    void metadata_sent(bool) { this->end(); }

    TagOf<Call, &Call::taken> taken_{*this};
    TagOf<Call, &Call::metadata_sent> metadata_{*this};
  };

  const Take take_;
  const Handle handle_;
};

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
  return std::make_unique<detail::UnaryMethod<Request, Response>>(
      [&api, take](auto* context, auto* request, auto* responder, auto* queue, void* tag) {
        (api.*take)(context, request, responder, queue, queue, tag);
      },
      std::move(handle));
}

/// Of a method that streams its answer: (ServerWriter<Response>&, Request&).
template <class Api, class Base, class Request, class Response, class Handle>
std::unique_ptr<Method> method(Api& api,
                               void (Base::*take)(grpc::ServerContext*, Request*,
                                                  grpc::ServerAsyncWriter<Response>*,
                                                  grpc::CompletionQueue*,
                                                  grpc::ServerCompletionQueue*, void*),
                               Handle handle) {
  return std::make_unique<detail::WriterMethod<Request, Response>>(
      [&api, take](auto* context, auto* request, auto* responder, auto* queue, void* tag) {
        (api.*take)(context, request, responder, queue, queue, tag);
      },
      std::move(handle));
}

/// Of a method that streams both ways: (ServerReaderWriter<Request, Response>&).
template <class Api, class Base, class Request, class Response, class Handle>
std::unique_ptr<Method> method(Api& api,
                               void (Base::*take)(grpc::ServerContext*,
                                                  grpc::ServerAsyncReaderWriter<Response, Request>*,
                                                  grpc::CompletionQueue*,
                                                  grpc::ServerCompletionQueue*, void*),
                               Handle handle) {
  return std::make_unique<detail::ReaderWriterMethod<Request, Response>>(
      [&api, take](auto* context, auto* responder, auto* queue, void* tag) {
        (api.*take)(context, responder, queue, queue, tag);
      },
      std::move(handle));
}

}  // namespace weir::rpc
