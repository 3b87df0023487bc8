#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <weir/v1/log.grpc.pb.h>

#include <atomic>
#include <set>

#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/server.hpp>
#include <weir/server/session.hpp>
#include <weir/store/testing/memory_store.hpp>
#include <weir/store/testing/passing_store.hpp>

namespace weir::server {
namespace {

using gateway::testing::eventually;

/// Counts the reads of its only log.
class CountingCatalog final : public Catalog {
 public:
  Result<std::vector<LogInfo>> list(CallOptions) override { return std::vector{log_->info()}; }
  Result<LogInfo> create(const std::string&, const LogOptions&, CallOptions) override {
    return log_->info();
  }
  Result<std::shared_ptr<EventStore>> open(const std::string&, CallOptions) override {
    return std::shared_ptr<EventStore>(log_);
  }

  int reads() const { return log_->reads; }

 private:
  struct Counting final : testing::PassingStore {
    using PassingStore::PassingStore;
    using PassingStore::read_step;
    Result<ReadStep> read_step(ReadRequest request) override {
      ++reads;
      return PassingStore::read_step(std::move(request));
    }
    std::atomic<int> reads = 0;
  };
  testing::MemoryStore store_{"default"};
  const std::shared_ptr<Counting> log_ = std::make_shared<Counting>(store_);
};

class Session : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::SessionRequests, v1::SessionResponses>;

  Session() {
    auto started = Server::start(catalog_, {.grpc_address = "127.0.0.1:0"});
    EXPECT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
    stub_ = v1::EventLog::NewStub(
        grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials()));
    const auto log = catalog_->open("default", {}).value();
    Event event;
    event.type = "Large";
    event.data = '"' + std::string(event_bytes, 'x') + '"';
    EXPECT_TRUE(log->append(AppendRequest{.events = {event, event}}));
  }

  static constexpr std::size_t event_bytes = 512 << 10;

  /// Reads with these numbers in one message, each of which is answered by a megabyte.
  static void ask(Stream& stream, int begin, int end) {
    v1::SessionRequests requests;
    for (int number = begin; number < end; ++number) {
      auto& request = *requests.add_requests();
      request.set_number(static_cast<std::uint64_t>(number));
      request.mutable_read()->mutable_read()->set_log("default");
    }
    EXPECT_TRUE(stream.Write(requests));
  }

  const std::shared_ptr<CountingCatalog> catalog_ = std::make_shared<CountingCatalog>();
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::EventLog::Stub> stub_;
};

TEST_F(Session, whose_client_takes_no_answers_has_the_log_read_for_no_more_of_them) {
  constexpr int asked = 200, in_message = 50;
  constexpr int may_wait = SessionStream::waiting_bytes_max / (2 * event_bytes);
  constexpr int may_be_read = may_wait + SessionStream::reads_under_way_max + 2;
  static_assert(may_be_read < asked);
  grpc::ClientContext context, other_context;
  const auto stream = stub_->Session(&context);
  for (int i = 0; i < asked; i += in_message) ask(*stream, i, i + in_message);
  ASSERT_TRUE(eventually([&] { return catalog_->reads() >= may_wait; }));
  v1::HeadResponse head;
  EXPECT_TRUE(stub_->Head(&other_context, {}, &head).ok()) << "others are served";
  EXPECT_LE(catalog_->reads(), may_be_read);

  // When it takes them after all, it gets every one, in messages of about their limit.
  std::set<std::uint64_t> answered;
  v1::SessionResponses responses;
  while (answered.size() < asked && stream->Read(&responses)) {
    EXPECT_EQ(responses.responses_size(), 1) << "a megabyte is more than a message should have";
    for (const auto& response : responses.responses()) {
      EXPECT_GT(response.read().size(), 2 * event_bytes);
      EXPECT_TRUE(answered.insert(response.number()).second);
    }
  }
  EXPECT_EQ(answered.size(), asked);
  EXPECT_EQ(catalog_->reads(), asked);
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(Session, whose_client_goes_while_reads_wait_ends) {
  {
    grpc::ClientContext context;
    const auto stream = stub_->Session(&context);
    ask(*stream, 0, 200);
    ASSERT_TRUE(eventually([&] { return catalog_->reads() > 0; }));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  // Waits for every call that is under way.
  server_.reset();
}

}  // namespace
}  // namespace weir::server
