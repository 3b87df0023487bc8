#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <umadb/v1/umadb.grpc.pb.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/json.hpp>
#include <weir/server/server.hpp>
#include <weir/store/sqlite/store.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::server {

namespace theirs = ::umadb::v1;

/// One call's context: it ends by itself, so that no test waits for ever.
struct UmadbContext : grpc::ClientContext {
  explicit UmadbContext(const std::string& log = {}) {
    set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!log.empty()) AddMetadata("weir-log", log);
  }
};

/// What a call came to.
template <class Response>
struct UmadbAnswer {
  grpc::Status status;
  Response response;
};
using UmadbMessages = UmadbAnswer<std::vector<theirs::ReadResponse>>;

/// A server over logs in a file, and a client of umadb.v1.
/// Threads: one.
class UmadbTest : public ::testing::Test {
 protected:
  UmadbTest() {
    const auto store =
        sqlite::Store::open({.path = folder_.file("log.db")}, std::make_shared<engine::Threads>());
    EXPECT_TRUE(store) << to_string(store.error());
    serve(*store);
  }

  /// From here on, instead of the logs in the file.
  void serve(std::shared_ptr<Catalog> catalog, ServerOptions options = {}) {
    stub_.reset();
    catalog_ = std::move(catalog);
    options.grpc_address = "127.0.0.1:0";
    auto server = Server::start(catalog_, std::move(options));
    EXPECT_TRUE(server) << to_string(server.error());
    server_ = std::move(*server);
    channel_ = grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials());
    stub_ = theirs::DCB::NewStub(channel_);
  }

  static void add_event(theirs::AppendRequest& to, const std::string& type,
                        const std::vector<std::string>& tags = {}, const std::string& data = {},
                        const std::string& uuid = {}) {
    auto& event = *to.add_events();
    event.set_event_type(type);
    event.mutable_tags()->Add(tags.begin(), tags.end());
    event.set_data(data);
    event.set_uuid(uuid);
  }
  static theirs::AppendRequest one(const std::string& type,
                                   const std::vector<std::string>& tags = {},
                                   const std::string& data = {}, const std::string& uuid = {}) {
    theirs::AppendRequest request;
    add_event(request, type, tags, data, uuid);
    return request;
  }
  static void add_item(theirs::Query& to, const std::vector<std::string>& types,
                       const std::vector<std::string>& tags = {}) {
    auto& item = *to.add_items();
    item.mutable_types()->Add(types.begin(), types.end());
    item.mutable_tags()->Add(tags.begin(), tags.end());
  }
  /// UUIDs that differ by a number below 10.
  static std::string uuid(int number) {
    return "0189aaaa-bbbb-7ccc-8ddd-00000000000" + std::to_string(number);
  }

  UmadbAnswer<theirs::AppendResponse> append(const theirs::AppendRequest& request,
                                             const std::string& log = {}) {
    UmadbContext context(log);
    UmadbAnswer<theirs::AppendResponse> answer;
    answer.status = stub_->Append(&context, request, &answer.response);
    return answer;
  }
  /// Position of the last event of an append that must work.
  std::uint64_t appended(const theirs::AppendRequest& request) {
    const auto answer = append(request);
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    return answer.response.position();
  }
  UmadbMessages read(const theirs::ReadRequest& request, const std::string& log = {}) {
    UmadbContext context(log);
    UmadbMessages messages;
    const auto stream = stub_->Read(&context, request);
    theirs::ReadResponse message;
    while (stream->Read(&message)) messages.response.push_back(message);
    messages.status = stream->Finish();
    return messages;
  }
  /// All events of a read that must work.
  std::vector<theirs::SequencedEvent> events(const theirs::ReadRequest& request = {}) {
    const auto messages = read(request);
    EXPECT_TRUE(messages.status.ok()) << messages.status.error_message();
    std::vector<theirs::SequencedEvent> all;
    for (const auto& message : messages.response) {
      all.insert(all.end(), message.events().begin(), message.events().end());
    }
    return all;
  }
  template <class Events>
  static std::vector<std::uint64_t> positions_of(const Events& events) {
    std::vector<std::uint64_t> positions;
    for (const auto& event : events) positions.push_back(event.position());
    return positions;
  }
  UmadbAnswer<theirs::HeadResponse> head(const std::string& log = {}) {
    UmadbContext context(log);
    UmadbAnswer<theirs::HeadResponse> answer;
    answer.status = stub_->Head(&context, {}, &answer.response);
    return answer;
  }
  /// 0 in a log without events.
  std::uint64_t head_position() {
    const auto answer = head();
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    return answer.response.position();
  }
  UmadbAnswer<theirs::TrackingResponse> tracking(const std::string& source,
                                                 const std::string& log = {}) {
    UmadbContext context(log);
    UmadbAnswer<theirs::TrackingResponse> answer;
    theirs::TrackingRequest request;
    request.set_source(source);
    answer.status = stub_->GetTrackingInfo(&context, request, &answer.response);
    return answer;
  }

  /// A call of any method with these bytes as its request, and the bytes of each answer.
  UmadbAnswer<std::vector<std::string>> raw(const std::string& method, std::string_view bytes) {
    UmadbContext context;
    UmadbAnswer<std::vector<std::string>> answer;
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, "/umadb.v1.DCB/" + method, &queue);
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    if (done()) {
      const grpc::Slice slice(bytes.data(), bytes.size());
      call->WriteLast({&slice, 1}, {}, nullptr);
      done();
      grpc::ByteBuffer message;
      for (call->Read(&message, nullptr); done(); call->Read(&message, nullptr)) {
        grpc::Slice whole;
        EXPECT_TRUE(message.DumpToSingleSlice(&whole).ok());
        answer.response.emplace_back(reinterpret_cast<const char*>(whole.begin()), whole.size());
      }
    }
    call->Finish(&answer.status, nullptr);
    done();
    return answer;
  }

  static theirs::ErrorResponse details_of(const grpc::Status& status) {
    theirs::ErrorResponse details;
    EXPECT_FALSE(status.error_details().empty()) << status.error_message();
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    return details;
  }
  /// What clients go by: the status and the type in its details.
  static void expect_error(const grpc::Status& status, grpc::StatusCode code,
                           theirs::ErrorResponse::ErrorType type) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    const auto details = details_of(status);
    EXPECT_EQ(details.error_type(), type) << status.error_message();
    EXPECT_EQ(details.message(), status.error_message());
    EXPECT_TRUE(is_utf8(status.error_message())) << status.error_message();
  }
  static void expect_conflict(const grpc::Status& status) {
    expect_error(status, grpc::FAILED_PRECONDITION, theirs::ErrorResponse::INTEGRITY);
  }
  static void expect_invalid(const grpc::Status& status) {
    expect_error(status, grpc::INVALID_ARGUMENT, theirs::ErrorResponse::INVALID_ARGUMENT);
  }
  static void expect_corruption(const grpc::Status& status) {
    expect_error(status, grpc::DATA_LOSS, theirs::ErrorResponse::CORRUPTION);
  }

  testing_support::TemporaryFolder folder_;
  std::shared_ptr<Catalog> catalog_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<theirs::DCB::Stub> stub_;
};

}  // namespace weir::server
