#include <gmock/gmock.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <future>

#include <weir/server/server.hpp>
#include <weir/store/testing/memory_store.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using Reflected = grpc::reflection::v1::ServerReflection;

class Reflection : public ::testing::Test {
 protected:
  Reflection() {
    server_ =
        Server::start(std::make_shared<testing::MemoryCatalog>(), {.grpc_address = "127.0.0.1:0"})
            .value();
    stub_ = Reflected::NewStub(
        grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials()));
    context_.set_deadline(std::chrono::system_clock::now() + 60s);
    stream_ = stub_->ServerReflectionInfo(&context_);
  }

  std::vector<std::string> services() {
    grpc::reflection::v1::ServerReflectionRequest request;
    request.set_list_services("");
    grpc::reflection::v1::ServerReflectionResponse response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    std::vector<std::string> names;
    for (const auto& service : response.list_services_response().service()) {
      names.push_back(service.name());
    }
    return names;
  }

  std::unique_ptr<Server> server_;
  std::unique_ptr<Reflected::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::reflection::v1::ServerReflectionRequest,
                                           grpc::reflection::v1::ServerReflectionResponse>>
      stream_;
};

TEST_F(Reflection, names_the_services_until_its_client_ends_it) {
  EXPECT_THAT(services(), Contains("weir.v1.EventLog"));
  EXPECT_THAT(services(), Contains("grpc.reflection.v1.ServerReflection"));
  EXPECT_TRUE(stream_->WritesDone());
  EXPECT_TRUE(stream_->Finish().ok());
}

// It held up the shutdown for all of the grace.
TEST_F(Reflection, ends_when_the_server_drains) {
  services();
  auto stopped = std::async(std::launch::async, [this] { server_->shut_down(30s); });
  grpc::reflection::v1::ServerReflectionResponse response;
  EXPECT_FALSE(stream_->Read(&response));
  const auto status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("shutting down"));
  stopped.get();
}

}  // namespace
}  // namespace weir::server
