#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/gateway/base64.hpp>
#include <weir/gateway/gateway.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/shelf_server.hpp>

namespace weir::gateway {
namespace {

using testing::Answer;
using testing::eventually;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::ShelfServer;
using ::testing::SizeIs;

struct Frames {
  std::vector<std::string> messages;
  std::string trailers;
};

std::string frame(const google::protobuf::Message& message) {
  const auto bytes = message.SerializeAsString();
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(bytes.size() >> shift);
  return out + bytes;
}

Frames frames_of(std::string_view body) {
  Frames out;
  while (body.size() >= 5) {
    std::size_t size = 0;
    for (std::size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
    const std::string bytes(body.substr(5, size));
    body[0] == 0 ? out.messages.push_back(bytes) : void(out.trailers = bytes);
    body.remove_prefix(std::min(5 + size, body.size()));
  }
  EXPECT_TRUE(body.empty());
  return out;
}

class GrpcWeb : public ::testing::Test {
 protected:
  GrpcWeb() : gateway_(std::move(Gateway::create(shelf_.gateway_options())).value()) {}

  Answer call(std::string_view method, std::string_view body,
              std::string_view headers = "Content-Type: application/grpc-web+proto\r\n") {
    return HttpClient(gateway_->port())
        .post("/weir.gateway.testing.Shelf/" + std::string(method), body, headers);
  }

  ShelfServer shelf_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(GrpcWeb, calls_a_unary_method) {
  testing::Book book;
  book.set_title("Dune");
  const auto answer = call("Echo", frame(book));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "application/grpc-web+proto");
  const auto frames = frames_of(answer.body);
  ASSERT_THAT(frames.messages, SizeIs(1)) << frames.trailers;
  EXPECT_EQ(frames.messages[0], book.SerializeAsString());
  EXPECT_EQ(frames.trailers, "grpc-status:0\r\n");
}

TEST_F(GrpcWeb, calls_a_server_stream) {
  testing::ListRequest request;
  request.set_count(3);
  const auto frames = frames_of(call("List", frame(request)).body);
  EXPECT_THAT(frames.messages, SizeIs(3));
  EXPECT_EQ(frames.trailers, "grpc-status:0\r\n");
}

TEST_F(GrpcWeb, speaks_base64_when_asked_in_it) {
  testing::ListRequest request;
  request.set_count(2);
  const auto answer =
      call("List", encode_base64(frame(request)), "Content-Type: application/grpc-web-text\r\n");
  EXPECT_EQ(answer.headers.at("content-type"), "application/grpc-web-text");
  const auto bytes = decode_base64(answer.body);
  ASSERT_TRUE(bytes);
  EXPECT_THAT(frames_of(*bytes).messages, SizeIs(2));
}

TEST_F(GrpcWeb, tells_the_status_in_the_trailers) {
  testing::FailRequest request;
  request.set_code(10);
  request.set_message("50% \xC3\xA4\n");
  request.set_reason("CONDITION_FAILED");
  const auto frames = frames_of(call("Fail", frame(request)).body);
  EXPECT_THAT(frames.messages, SizeIs(0));
  EXPECT_THAT(frames.trailers, HasSubstr("grpc-status:10\r\n"));
  EXPECT_THAT(frames.trailers, HasSubstr("grpc-message:50%25 %C3%A4%0A\r\n"));
  EXPECT_THAT(frames.trailers, HasSubstr("grpc-status-details-bin:"));
}

TEST_F(GrpcWeb, keeps_grpc_timeout) {
  const auto answer = call("Wait", frame(testing::WaitRequest{}),
                           "Content-Type: application/grpc-web\r\ngrpc-timeout: 50m\r\n");
  EXPECT_THAT(frames_of(answer.body).trailers, HasSubstr("grpc-status:4\r\n"));
  const auto wrong = call("Wait", frame(testing::WaitRequest{}),
                          "Content-Type: application/grpc-web\r\ngrpc-timeout: soon\r\n");
  EXPECT_THAT(frames_of(wrong.body).trailers, HasSubstr("grpc-status:3\r\n"));
}

TEST_F(GrpcWeb, refuses_bodies_that_are_no_frame) {
  for (const auto& body : {std::string(), std::string("abc"), std::string("\0\0\0\0\5ab", 7),
                           std::string("\1\0\0\0\0", 5), std::string("\0\xff\xff\xff\xff", 5)}) {
    EXPECT_THAT(frames_of(call("Echo", body).body).trailers, HasSubstr("grpc-status:3\r\n"));
  }
}

TEST_F(GrpcWeb, refuses_client_streams_and_other_content_types) {
  EXPECT_THAT(frames_of(call("Chat", frame(testing::Book{})).body).trailers,
              HasSubstr("grpc-status:12\r\n"));
  EXPECT_EQ(call("Echo", "{}", "Content-Type: application/json\r\n").status, 415);
  EXPECT_EQ(call("Nothing", frame(testing::Book{})).status, 404);
}

TEST_F(GrpcWeb, cancels_the_stream_of_a_client_that_goes_away) {
  testing::FollowRequest request;
  request.set_burst(1);
  HttpClient client(gateway_->port());
  client.request("POST", "/weir.gateway.testing.Shelf/Follow", frame(request),
                 "Content-Type: application/grpc-web\r\n");
  ASSERT_TRUE(eventually([&] { return shelf_.waiting() == 1; }));
  client.close();
  EXPECT_TRUE(eventually([&] { return shelf_.waiting() == 0; }));
}

}  // namespace
}  // namespace weir::gateway
