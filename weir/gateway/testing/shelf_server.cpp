#include <weir/gateway/testing/shelf_server.hpp>

#include <grpcpp/server_builder.h>

#include <weir/gateway/errors.hpp>
#include <weir/rpc/start.hpp>

extern const std::string_view weir_gateway_testing_comments;

namespace weir::gateway::testing {
namespace {

grpc::Status status_of(const FailRequest& request) {
  Error error{.code = static_cast<Code>(request.code()), .message = request.message()};
  error.details.insert(request.metadata().begin(), request.metadata().end());
  if (request.reason() == "CONDITION_FAILED") error.reason = Reason::condition_failed;
  if (request.retry_milliseconds() > 0) {
    error.retry_after = std::chrono::milliseconds(request.retry_milliseconds());
  }
  return to_status(error);
}

class PlainWriter final : public grpc::ServerWriteReactor<Book> {
 public:
  explicit PlainWriter(std::uint64_t count) : count_(count) { OnWriteDone(true); }
  void OnWriteDone(bool ok) override {
    if (!ok || at_ == count_) return Finish(grpc::Status::OK);
    book_.set_position(++at_);
    StartWrite(&book_);
  }
  void OnDone() override { delete this; }

 private:
  const std::uint64_t count_;
  std::uint64_t at_ = 0;
  Book book_;
};

}  // namespace

/// Never finishes by itself.
class Waiter final : public grpc::ServerUnaryReactor {
 public:
  explicit Waiter(ShelfServer& server) : server_(server) { ++server_.waiting_; }
  void OnCancel() override {
    ++server_.cancelled_;
    --server_.waiting_;
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  ShelfServer& server_;
};

/// Sends books numbered from `at + 1` until `until`, then finishes or waits to be cancelled.
class Counter final : public grpc::ServerWriteReactor<ListResponse> {
 public:
  struct Plan {
    std::uint64_t at = 0;
    std::uint64_t until = 0;
    std::uint64_t per_response = 1;
    std::uint64_t bytes = 0;
    std::string payload;
    std::uint64_t cursor = 0;
    int fail_code = 0;
    bool endless = false;
  };

  Counter(ShelfServer& server, Plan plan) : server_(server), plan_(std::move(plan)) {
    if (plan_.endless) ++server_.waiting_;
    if (plan_.cursor > 0) {
      response_.set_cursor(plan_.cursor);
      response_.set_head(plan_.until);
      StartWrite(&response_);
    } else {
      next();
    }
  }

  void OnWriteDone(bool ok) override {
    ++server_.written_;
    if (ok) return next();
    finish(grpc::Status::CANCELLED);
  }
  void OnCancel() override {
    ++server_.cancelled_;
    finish(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    if (plan_.endless) --server_.waiting_;
    delete this;
  }

 private:
  void finish(const grpc::Status& status) {
    if (!finished_.exchange(true)) Finish(status);
  }

  void next() {
    if (finished_) return;
    response_.Clear();
    response_.set_head(plan_.until);
    for (std::uint64_t i = 0; i < plan_.per_response && plan_.at < plan_.until; ++i) {
      auto* book = response_.add_books();
      book->set_position(++plan_.at);
      book->set_data(!plan_.payload.empty() ? plan_.payload
                     : plan_.bytes > 0      ? '"' + std::string(plan_.bytes, 'x') + '"'
                                            : "{}");
    }
    response_.set_cursor(plan_.at);
    if (response_.books_size() > 0) return StartWrite(&response_);
    if (plan_.endless) return;
    if (plan_.fail_code == 0) return finish(grpc::Status::OK);
    FailRequest failure;
    failure.set_code(plan_.fail_code);
    failure.set_message("no more");
    finish(status_of(failure));
  }

  ShelfServer& server_;
  Plan plan_;
  ListResponse response_;
  std::atomic<bool> finished_{false};
};

ShelfServer::ShelfServer() {
  rpc::start_grpc();
  grpc::ServerBuilder builder;
  builder.RegisterService(this);
  builder.SetMaxReceiveMessageSize(-1);
  server_ = builder.BuildAndStart();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  channel_ = server_->InProcessChannel(arguments);
}

ShelfServer::~ShelfServer() {
  server_->Shutdown(std::chrono::system_clock::time_point{});
}

GatewayOptions ShelfServer::gateway_options() {
  GatewayOptions options;
  options.http.address = "127.0.0.1:0";
  options.services = {"weir.gateway.testing.Shelf"};
  options.channel = channel_;
  options.title = "Shelves";
  options.descriptor_set = weir_gateway_testing_comments;
  return options;
}

std::string ShelfServer::last_metadata() const {
  const std::lock_guard lock(mutex_);
  return metadata_;
}

grpc::ServerUnaryReactor* ShelfServer::Echo(grpc::CallbackServerContext* context,
                                            const Book* request, Book* response) {
  {
    const std::lock_guard lock(mutex_);
    metadata_.clear();
    for (const auto& [name, value] : context->client_metadata()) {
      if (name != "authorization" && name != "traceparent") continue;
      metadata_ += std::string(name.data(), name.size()) + "=" +
                   std::string(value.data(), value.size()) + "\n";
    }
  }
  *response = *request;
  auto* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ShelfServer::Fail(grpc::CallbackServerContext* context,
                                            const FailRequest* request, Book*) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(status_of(*request));
  return reactor;
}

grpc::ServerUnaryReactor* ShelfServer::Wait(grpc::CallbackServerContext*, const WaitRequest*,
                                            Book*) {
  return new Waiter(*this);
}

grpc::ServerWriteReactor<ListResponse>* ShelfServer::List(grpc::CallbackServerContext*,
                                                          const ListRequest* request) {
  return new Counter(*this, {.until = request->count(),
                             .per_response = std::max<std::uint64_t>(request->per_response(), 1),
                             .bytes = request->bytes(),
                             .payload = request->payload(),
                             .fail_code = request->fail_code()});
}

grpc::ServerWriteReactor<ListResponse>* ShelfServer::Follow(grpc::CallbackServerContext*,
                                                            const FollowRequest* request) {
  return new Counter(*this, {.at = request->after(),
                             .until = request->after() + request->burst(),
                             .bytes = request->bytes(),
                             .cursor = request->cursor(),
                             .endless = true});
}

grpc::ServerWriteReactor<Book>* ShelfServer::Plain(grpc::CallbackServerContext*,
                                                   const ListRequest* request) {
  return new PlainWriter(request->count());
}

}  // namespace weir::gateway::testing
