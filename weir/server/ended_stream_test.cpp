// What is still done about a stream when that has ended already.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <umadb/v1/umadb.grpc.pb.h>
#include <weir/v1/log.grpc.pb.h>

#include <atomic>
#include <future>

#include <weir/base/random.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/fake_call_for_tests.hpp>
#include <weir/server/held_store_for_tests.hpp>
#include <weir/server/server.hpp>
#include <weir/server/session.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::server {
namespace {

using gateway::testing::eventually;

TEST(FeedStream, whose_token_ends_before_its_log_is_found_is_not_opened) {
  auto* call = new FakeWriter<grpc::ByteBuffer>;  // goes in over()
  std::stop_source token;
  const auto stream = FeedStream::start(*call, {});
  stream->end_when(token.get_token(), remote::to_status(token_ended()));
  EXPECT_FALSE(stream->ended());
  token.request_stop();
  EXPECT_TRUE(stream->ended());
  stream->open();
  ASSERT_EQ(call->ends.size(), 1);
  EXPECT_EQ(call->ends.front().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(call->opened, 0);
  call->over();
  stream->open();
}

TEST(FeedStream, that_stands_is_opened_once_and_ends_when_its_token_does) {
  auto* call = new FakeWriter<grpc::ByteBuffer>;
  std::stop_source token;
  const auto stream = FeedStream::start(*call, {});
  stream->end_when(token.get_token(), remote::to_status(token_ended()));
  stream->open();
  EXPECT_EQ(call->opened, 1);
  EXPECT_TRUE(call->ends.empty());
  token.request_stop();
  EXPECT_EQ(call->ends.size(), 1);
  call->over();
}

/// Does something once, when a span is begun.
class Interrupting final : public telemetry::Tracer {
 public:
  telemetry::Span start(std::string_view, telemetry::Attributes,
                        const telemetry::SpanOptions& options) override {
    if (const auto what = std::exchange(then, nullptr)) what();
    return telemetry::Span(options.parent.value_or(telemetry::Context()));
  }
  std::function<void()> then;
};

TEST(SessionStream, that_ends_while_it_takes_a_request_writes_nothing_more) {
  Logs logs(std::make_shared<testing::MemoryCatalog>());
  Interrupting tracer;
  const CallReports reports({.tracer = &tracer});
  const auto admission = Admission::create({}, telemetry::no_meter(), system_clock()).value();
  auto* call = new FakeReaderWriter<v1::SessionRequests, v1::SessionResponses>;
  SessionStream::start(*call, logs, reports, Caller(), *admission, {});
  tracer.then = [&] { logs.drain(); };
  v1::SessionRequests requests;
  for (std::uint64_t number = 1; number <= 2; ++number) {
    auto& request = *requests.add_requests();
    request.set_number(number);
    request.mutable_head();
  }
  call->receive(requests);
  EXPECT_EQ(call->ends.size(), 1);
  EXPECT_EQ(call->written, 0);
  call->over();
}

/// A log that counts its subscribers, and says where its head is though nobody waits any longer.
class CountingStore final : public HeldStore {
 public:
  using HeldStore::head;
  using HeldStore::HeldStore;
  void head(CallOptions, Done<Position> done) override { HeldStore::head({}, std::move(done)); }
  Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) override {
    ++subscribed;
    return HeldStore::open_subscription(std::move(request));
  }
  std::atomic<int> subscribed = 0;
};

/// It takes its time to open the log "slow".
class SlowCatalog final : public Catalog {
 public:
  explicit SlowCatalog(std::shared_ptr<EventStore> log) : log_(std::move(log)) {}
  Result<std::vector<LogInfo>> list(CallOptions) override { return std::vector{log_->info()}; }
  Result<LogInfo> create(const std::string&, const LogOptions&, CallOptions) override {
    return log_->info();
  }
  Result<std::shared_ptr<EventStore>> open(const std::string& name, CallOptions) override {
    if (name == "slow") {
      opening.set_value();
      may_open.get_future().wait();
    }
    return log_;
  }
  std::promise<void> opening, may_open;

 private:
  const std::shared_ptr<EventStore> log_;
};

/// Subscriptions whose token is revoked before their log has answered.
class Revoked : public ::testing::Test {
 protected:
  Revoked() {
    security::Tokens tokens;
    EXPECT_TRUE(tokens.add(token_.token));
    access_->replace(tokens);
    auto started = Server::start(catalog_, {.grpc_address = "127.0.0.1:0", .access = access_});
    EXPECT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
    channel_ = grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials());
    context_.AddMetadata("authorization", "Bearer " + token_.secret);
  }

  /// How the stream ends for its caller.
  template <class Response>
  grpc::StatusCode revoked(grpc::ClientReader<Response>& stream) {
    access_->replace({});
    Response response;
    EXPECT_FALSE(stream.Read(&response));
    return stream.Finish().error_code();
  }

  const security::NewToken token_ =
      security::make_token({.name = "test", .rights = {.read = {"*"}}}, system_clock().now(),
                           random_secret(), 1)
          .value();
  testing::MemoryStore memory_{"default"};
  const std::shared_ptr<CountingStore> store_ = std::make_shared<CountingStore>(memory_);
  const std::shared_ptr<SlowCatalog> catalog_ = std::make_shared<SlowCatalog>(store_);
  const std::shared_ptr<Access> access_ =
      std::make_shared<Access>(AccessOptions{.tokens = security::Tokens()});
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
};

TEST_F(Revoked, while_the_head_is_asked_for_nothing_is_subscribed_to_nor_is_the_server_needed) {
  v1::SubscribeRequest request;
  request.set_from_head(true);
  store_->hold();
  const auto stream = v1::EventLog::NewStub(channel_)->Subscribe(&context_, request);
  ASSERT_TRUE(eventually([&] { return store_->waiting() == 1; }));
  EXPECT_EQ(revoked(*stream), grpc::StatusCode::UNAUTHENTICATED);
  server_.reset();
  store_->release();
  EXPECT_EQ(store_->subscribed, 0);
}

TEST_F(Revoked, while_the_log_is_opened_nothing_is_subscribed_to) {
  v1::SubscribeRequest request;
  request.set_log("slow");
  const auto stream = v1::EventLog::NewStub(channel_)->Subscribe(&context_, request);
  catalog_->opening.get_future().wait();
  EXPECT_EQ(revoked(*stream), grpc::StatusCode::UNAUTHENTICATED);
  catalog_->may_open.set_value();
  server_.reset();
  EXPECT_EQ(store_->subscribed, 0);
}

TEST_F(Revoked, while_the_log_is_opened_by_the_protocol_of_another_store_it_is_not_subscribed_to) {
  context_.AddMetadata("weir-log", "slow");
  const auto stream = ::umadb::v1::DCB::NewStub(channel_)->Subscribe(&context_, {});
  catalog_->opening.get_future().wait();
  EXPECT_EQ(revoked(*stream), grpc::StatusCode::UNAUTHENTICATED);
  catalog_->may_open.set_value();
  server_.reset();
  EXPECT_EQ(store_->subscribed, 0);
}

}  // namespace
}  // namespace weir::server
