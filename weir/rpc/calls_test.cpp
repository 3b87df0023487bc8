#include <grpc/health/v1/health.grpc.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <thread>

#include <weir/rpc/client_call.hpp>
#include <weir/rpc/server_call.hpp>
#include <weir/rpc/start.hpp>

namespace weir::rpc {
namespace {

namespace health = grpc::health::v1;
namespace reflection = grpc::reflection::v1;
using Request = health::HealthCheckRequest;
using Response = health::HealthCheckResponse;
using Question = reflection::ServerReflectionRequest;
using Answer = reflection::ServerReflectionResponse;
using namespace std::chrono_literals;

/// Counts down as many messages as the service's name says, or waits for its end.
class Countdown final : public ServerReactor {
 public:
  Countdown(ServerWriter<Response>& call, int messages, std::promise<void>* cancelled)
      : call_(call), left_(messages), endless_(messages < 0), cancelled_(cancelled) {
    call.set_reactor(*this);
    response_.set_status(Response::SERVING);
    if (endless_) {
      call.send_initial_metadata();
    } else {
      go_on();
    }
  }

 private:
  void go_on() {
    if (left_-- == 0) return call_.finish(grpc::Status::OK);
    call_.write(response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return call_.finish(grpc::Status(grpc::StatusCode::CANCELLED, "gone"));
    go_on();
  }
  void OnCancel() override {
    if (cancelled_ != nullptr) cancelled_->set_value();
    if (endless_) call_.finish(grpc::Status(grpc::StatusCode::CANCELLED, "was told so"));
  }
  void OnDone() override { delete this; }

  ServerWriter<Response>& call_;
  Response response_;
  int left_;
  const bool endless_;
  std::promise<void>* cancelled_;
};

/// Says back what it is told.
class Echo final : public ServerReactor {
 public:
  explicit Echo(ServerReaderWriter<Question, Answer>& call) : call_(call) {
    call.set_reactor(*this);
    call.read(question_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return call_.finish(grpc::Status::OK);
    answer_.set_valid_host(question_.host());
    call_.write(answer_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return call_.finish(grpc::Status(grpc::StatusCode::CANCELLED, "gone"));
    call_.read(question_);
  }
  void OnDone() override { delete this; }

  ServerReaderWriter<Question, Answer>& call_;
  Question question_;
  Answer answer_;
};

class Checks final : public Service {
 public:
  Checks() {
    methods_.push_back(
        method(api_, &Api::RequestCheck, [this](ServerCall& call, Request& request, Response& to) {
          if (request.service() == "blocks") {
            blocks(call);
          } else if (request.service() == "later") {
            held_.set_value(&call);
          } else if (request.service() == "unknown") {
            call.finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "there is none"));
          } else {
            to.set_status(Response::SERVING);
            call.finish(grpc::Status::OK);
          }
        }));
    methods_.push_back(
        method(api_, &Api::RequestWatch, [this](ServerWriter<Response>& call, Request& request) {
          const auto messages = std::stoi(request.service());
          new Countdown(call, messages, messages < 0 ? &cancelled : nullptr);
          if (messages < 0) begun.set_value();
        }));
  }
  grpc::Service& api() override { return api_; }
  /// The call of "later", once it has come.
  ServerCall& held() { return *held_.get_future().get(); }

  /// The call of "blocks" does, until it may go on.
  std::promise<void> blocked, unblocked;
  /// Of the stream that waits for its end.
  std::promise<void> begun, cancelled;

 private:
  /// Answers after it has waited on the poller's thread, where it may do that.
  void blocks(ServerCall& call) {
    const MayBlock::Allowed allowed(true);
    if (!MayBlock::here()) {
      return call.finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "nobody stands in"));
    }
    MayBlock::put_off([this, &call] {
      blocked.set_value();
      unblocked.get_future().wait();
      call.finish(grpc::Status::OK);
    });
  }

  using Api = health::Health::AsyncService;
  Api api_;
  std::promise<ServerCall*> held_;
};

class Echoes final : public Service {
 public:
  Echoes() {
    methods_.push_back(
        method(api_, &Api::RequestServerReflectionInfo,
               [](ServerReaderWriter<Question, Answer>& call) { new Echo(call); }));  // owns itself
  }
  grpc::Service& api() override { return api_; }

 private:
  using Api = reflection::ServerReflection::AsyncService;
  Api api_;
};

class Calls : public ::testing::Test {
 protected:
  Calls() {
    start_grpc();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&checks_.api());
    builder.RegisterService(&echoes_.api());
    poller_ = std::make_unique<ServerPoller>(builder.AddCompletionQueue(), "test");
    server_ = builder.BuildAndStart();
    checks_.listen(*poller_);
    echoes_.listen(*poller_);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials());
  }
  ~Calls() override { shut_down(); }

  void shut_down(std::chrono::milliseconds grace = 0ms) {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    poller_.reset();
    server_.reset();
  }

  /// A blocking unary call by way of the client's poller.
  grpc::Status check(const std::string& service, Response& response,
                     std::optional<std::chrono::milliseconds> timeout = {}) {
    grpc::ClientContext context;
    if (timeout) context.set_deadline(std::chrono::system_clock::now() + *timeout);
    Request request;
    request.set_service(service);
    std::promise<grpc::Status> ended;
    start_unary(channel_, "/grpc.health.v1.Health/Check", context, request, response,
                client_poller(), [&](const grpc::Status& status) { ended.set_value(status); });
    return ended.get_future().get();
  }

  Checks checks_;
  Echoes echoes_;
  std::unique_ptr<ServerPoller> poller_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

/// Reads a stream to its end.
class Reader final : public ClientStream<Request, Response> {
 public:
  Reader(const std::shared_ptr<grpc::Channel>& channel, int messages) {
    request_.set_service(std::to_string(messages));
    StartCall(channel, "/grpc.health.v1.Health/Watch", client_poller());
    StartRequest(&request_, &response_);
  }
  void cancel() { context().TryCancel(); }
  grpc::Status wait() { return ended_.get_future().get(); }
  int messages() const { return messages_; }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    ++messages_;
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override { ended_.set_value(status); }

  Request request_;
  Response response_;
  int messages_ = 0;
  std::promise<grpc::Status> ended_;
};

TEST_F(Calls, that_are_unary_are_answered_with_a_message_or_an_error) {
  Response response;
  EXPECT_TRUE(check("any", response).ok());
  EXPECT_EQ(response.status(), Response::SERVING);
  const auto status = check("unknown", response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "there is none");
}

TEST_F(Calls, that_are_more_than_are_awaited_at_once_are_all_answered) {
  std::vector<std::thread> callers;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int call = 0; call < 200; ++call) {
        Response response;
        if (check("any", response).ok()) ++answered;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(answered, 1600);
}

TEST_F(Calls, that_are_answered_later_from_another_thread_wait_for_it) {
  std::thread answerer([&] { checks_.held().finish(grpc::Status::OK); });
  Response response;
  EXPECT_TRUE(check("later", response).ok());
  answerer.join();
}

TEST_F(Calls, whose_deadline_passes_end_for_the_client_and_may_be_finished_after_that) {
  Response response;
  EXPECT_EQ(check("later", response, 50ms).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  checks_.held().finish(grpc::Status::OK);
}

TEST_F(Calls, that_stream_give_every_message_and_then_the_status) {
  for (const int messages : {0, 1, 1000}) {
    Reader reader(channel_, messages);
    EXPECT_TRUE(reader.wait().ok());
    EXPECT_EQ(reader.messages(), messages);
  }
}

TEST_F(Calls, that_the_client_cancels_tell_the_server) {
  Reader reader(channel_, -1);
  // Nobody there would hear of it before the call has reached the server.
  checks_.begun.get_future().wait();
  reader.cancel();
  EXPECT_EQ(reader.wait().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(checks_.cancelled.get_future().wait_for(10s), std::future_status::ready);
}

class Conversation final : public ClientStream<Question, Answer> {
 public:
  explicit Conversation(const std::shared_ptr<grpc::Channel>& channel) {
    StartCall(channel, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
              client_poller());
    AddHold();
  }
  std::string say(const std::string& what) {
    question_.set_host(what);
    heard_ = {};
    written_ = {};
    StartRead(&answer_);
    StartWrite(&question_);
    heard_.get_future().get();
    written_.get_future().get();
    return answer_.valid_host();
  }
  grpc::Status end() {
    context().TryCancel();
    RemoveHold();
    return ended_.get_future().get();
  }

 private:
  void OnReadDone(bool) override { heard_.set_value(); }
  void OnWriteDone(bool) override { written_.set_value(); }
  void OnDone(const grpc::Status& status) override { ended_.set_value(status); }

  Question question_;
  Answer answer_;
  std::promise<void> heard_, written_;
  std::promise<grpc::Status> ended_;
};

TEST_F(Calls, that_stream_both_ways_go_on_until_the_hold_is_gone) {
  Conversation conversation(channel_);
  EXPECT_EQ(conversation.say("one"), "one");
  EXPECT_EQ(conversation.say("two"), "two");
  EXPECT_EQ(conversation.end().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(Calls, of_a_server_that_shuts_down_are_cancelled_and_waited_for) {
  Reader reader(channel_, -1);
  Conversation conversation(channel_);
  conversation.say("something");
  shut_down(10ms);
  EXPECT_FALSE(reader.wait().ok());
  EXPECT_FALSE(conversation.end().ok());
}

TEST_F(Calls, that_come_after_the_server_has_gone_are_unavailable) {
  shut_down();
  Response response;
  EXPECT_EQ(check("any", response).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Calls, that_block_the_poller_are_stood_in_for_until_they_are_over) {
  for (int round = 0; round < 20; ++round) {
    checks_.blocked = {};
    checks_.unblocked = {};
    // Again and again: the thread of the round before may not be back to stand in yet.
    auto blocking = std::async(std::launch::async, [&] {
      for (;;) {
        Response response;
        const auto status = check("blocks", response);
        if (status.error_code() != grpc::StatusCode::RESOURCE_EXHAUSTED) return status;
      }
    });
    checks_.blocked.get_future().wait();
    Response response;
    EXPECT_TRUE(check("any", response).ok());
    // Nobody stands in for the one that stands in.
    EXPECT_EQ(check("blocks", response).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    Reader reader(channel_, 100);
    EXPECT_TRUE(reader.wait().ok());
    checks_.unblocked.set_value();
    EXPECT_TRUE(blocking.get().ok());
  }
}

TEST_F(Calls, in_the_servers_own_process_use_the_servers_poller) {
  const auto channel = server_->InProcessChannel({});
  grpc::ClientContext context;
  Request request;
  Response response;
  std::promise<std::thread::id> thread;
  start_unary(channel, "/grpc.health.v1.Health/Check", context, request, response, poller_->poller,
              [&](const grpc::Status& status) {
                EXPECT_TRUE(status.ok());
                thread.set_value(std::this_thread::get_id());
              });
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
  EXPECT_EQ(response.status(), Response::SERVING);
}

}  // namespace
}  // namespace weir::rpc
