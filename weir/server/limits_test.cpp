#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <weir/v1/log.grpc.pb.h>

#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/server.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using gateway::testing::eventually;

class GrpcLimit : public ::testing::Test {
 protected:
  void serve(GrpcLimits limits) {
    auto started = Server::start(catalog_, {.grpc_address = "127.0.0.1:0", .limits = limits});
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
    channel_ = grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials());
    stub_ = v1::EventLog::NewStub(channel_);
  }
  grpc::Status head(grpc::ClientContext& context, std::chrono::milliseconds patience = 10s) {
    context.set_deadline(std::chrono::system_clock::now() + patience);
    v1::HeadResponse response;
    return stub_->Head(&context, {}, &response);
  }

  std::shared_ptr<testing::MemoryCatalog> catalog_ = std::make_shared<testing::MemoryCatalog>();
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::EventLog::Stub> stub_;
};

TEST_F(GrpcLimit, on_metadata_refuses_the_call_and_not_those_after_it) {
  serve({.metadata_bytes_max = 4096});
  grpc::ClientContext fits, too_long;
  fits.AddMetadata("x-long", std::string(2000, 'x'));
  EXPECT_TRUE(head(fits).ok());
  too_long.AddMetadata("x-long", std::string(10'000, 'x'));
  EXPECT_EQ(head(too_long).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // gRPC now and then closes the connection over it; clients come back by themselves.
  EXPECT_TRUE(eventually([&] {
    grpc::ClientContext context;
    return head(context).ok();
  }));
}

TEST_F(GrpcLimit, on_streams_holds_back_the_one_too_many_until_another_ends) {
  serve({.streams_max = 2});
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>>> streams;
  for (int i = 0; i < 2; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub_->Subscribe(contexts.back().get(), {}));
    v1::SubscribeResponse first;
    EXPECT_TRUE(streams.back()->Read(&first));
  }
  grpc::ClientContext third, later;
  EXPECT_EQ(head(third, 500ms).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  contexts[0]->TryCancel();
  streams[0]->Finish();
  EXPECT_TRUE(head(later).ok());
  contexts[1]->TryCancel();
  streams[1]->Finish();
}

TEST_F(GrpcLimit, on_idle_time_closes_the_connection_which_comes_back_when_needed) {
  serve({.idle_timeout = 1s});
  grpc::ClientContext first, second;
  EXPECT_TRUE(head(first).ok());
  EXPECT_EQ(channel_->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_TRUE(eventually([&] { return channel_->GetState(false) == GRPC_CHANNEL_IDLE; }));
  EXPECT_TRUE(head(second).ok());
}

TEST_F(GrpcLimit, on_requests_can_be_replaced_while_the_server_runs) {
  serve({});
  const auto append = [&](std::size_t tags) {
    grpc::ClientContext context;
    v1::AppendRequest request;
    auto& event = *request.add_events();
    event.set_type("A");
    event.set_data("{}");
    for (std::size_t i = 0; i < tags; ++i) event.add_tags("t:" + std::to_string(i));
    v1::AppendResponse response;
    return stub_->Append(&context, request, &response).error_code();
  };
  EXPECT_EQ(append(5), grpc::StatusCode::OK);
  server_->replace_limits({.tags_max = 4});
  EXPECT_EQ(append(5), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(append(4), grpc::StatusCode::OK);
  server_->replace_limits({.tags_max = 6});
  EXPECT_EQ(append(6), grpc::StatusCode::OK);
}

TEST_F(GrpcLimit, on_snapshots_and_names_can_be_replaced_while_the_server_runs) {
  serve({});
  const auto save = [&](const std::string& projection, std::size_t bytes) {
    grpc::ClientContext context;
    v1::SaveSnapshotRequest request;
    request.set_projection(projection);
    request.set_query_hash("q");
    request.set_position(1);
    request.set_data(std::string(bytes, 'x'));
    v1::SaveSnapshotResponse response;
    return stub_->SaveSnapshot(&context, request, &response).error_code();
  };
  EXPECT_EQ(save("projection", 100), grpc::StatusCode::OK);
  server_->replace_limits({.key_bytes_max = 5, .snapshot_bytes_max = 50});
  EXPECT_EQ(save("projection", 10), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(save("short", 100), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(save("short", 50), grpc::StatusCode::OK);
  // More than the log was opened with, too.
  server_->replace_limits({.key_bytes_max = 1000});
  EXPECT_EQ(save(std::string(1000, 'p'), 50), grpc::StatusCode::OK);
}

}  // namespace
}  // namespace weir::server
