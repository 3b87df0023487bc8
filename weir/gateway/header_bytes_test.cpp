// Whatever bytes a client puts into its headers, the server goes on: gRPC ends a program that gives
// it metadata that is not printable ASCII.
#include <gtest/gtest.h>

#include <weir/gateway/gateway.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/shelf_server.hpp>

namespace weir::gateway {
namespace {

using testing::HttpClient;
using testing::ShelfServer;

constexpr const char* traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Its spans hand on what came, as children with ids of their own.
class ChildrenOnly final : public telemetry::Tracer {
 public:
  telemetry::Span start(std::string_view, telemetry::Attributes,
                        const telemetry::SpanOptions& options) override {
    auto context = options.parent.value_or(telemetry::Context());
    context.span.span_id = *telemetry::parse_span_id("00f067aa0ba902b7");
    return telemetry::Span(std::move(context));
  }
};

class HeaderBytes : public ::testing::TestWithParam<bool> {
 protected:
  HeaderBytes() {
    auto options = shelf_.gateway_options();
    options.http.trust_forwarded = true;
    options.peer_metadata = "client";
    options.passed_headers = {"authorization", "x-request-id", "user-agent"};
    if (GetParam()) options.http.tracer = &tracer_;
    gateway_ = Gateway::create(std::move(options)).value();
  }

  /// Each kind of call with these headers; what it is answered with is not asked.
  void call_with(const std::string& headers) {
    const std::string json = "Content-Type: application/json\r\n";
    const std::string web = "Content-Type: application/grpc-web\r\n";
    const std::string empty_message("\0\0\0\0\0", 5);
    const auto answers = [&](std::string_view target, std::string_view body,
                             const std::string& more) {
      return HttpClient(gateway_->port()).post(target, body, more + headers).status > 0;
    };
    EXPECT_GT(HttpClient(gateway_->port()).get("/v1/list?count=1", headers).status, 0);
    EXPECT_TRUE(answers("/v1/shelves/a/books", R"({"title":"Dune"})", json));
    EXPECT_TRUE(answers("/weir.gateway.testing.Shelf/Echo", empty_message, web));
    EXPECT_TRUE(answers("/weir.gateway.testing.Shelf/List", empty_message, web));
  }

  ChildrenOnly tracer_;
  ShelfServer shelf_;
  std::unique_ptr<Gateway> gateway_;
};

/// All that are not printable.
std::vector<char> odd_bytes() {
  std::vector<char> bytes;
  for (int byte = 0; byte < 0x100; ++byte) {
    if (byte < 0x20 || byte >= 0x7F) bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

TEST_P(HeaderBytes, of_what_travels_with_a_request_may_be_any) {
  for (const char byte : odd_bytes()) {
    const auto x = std::string(1, byte);
    call_with(std::string("traceparent: ") + traceparent + "\r\ntracestate: a=1," + x + ",b=2\r\n" +
              "baggage: a=b;p" + x + "q, c" + x + "=d, e=f" + x + "\r\nX-Correlation-Id: a" + x +
              "b\r\nX-Causation-Id: a" + x + "b\r\n");
    call_with(std::string("traceparent: ") + traceparent + x + "\r\n");
    call_with("correlation-id: a" + x + "b\r\ncausation-id: " + x + "\r\nbaggage: " + x + "\r\n");
  }
  EXPECT_EQ(HttpClient(gateway_->port()).get("/v1/list?count=1").status, 200);
}

TEST_P(HeaderBytes, of_every_other_header_may_be_any) {
  const char* const names[] = {"Authorization", "X-Request-Id",    "User-Agent",
                               "grpc-timeout",  "Request-Timeout", "X-Forwarded-For",
                               "Accept",        "Last-Event-ID",   "X-Other"};
  for (const char byte : {'\0', '\1', '\t', '\v', '\r', '\n', '\x1f', '\x7f', '\x80', '\xff'}) {
    const auto x = std::string(1, byte);
    for (const auto* name : names) call_with(std::string(name) + ": 1" + x + "2\r\n");
    call_with("baggage" + x + ": a=b\r\n");
  }
  EXPECT_EQ(HttpClient(gateway_->port()).get("/v1/list?count=1").status, 200);
}

TEST_P(HeaderBytes, of_a_token_in_the_address_may_be_any) {
  for (const char byte : odd_bytes()) {
    HttpClient client(gateway_->port());
    client.request("GET", "/v1/list?count=1&access_token=a" + std::string(1, byte) + "b", {},
                   "Accept: text/event-stream\r\n");
    EXPECT_GT(client.answer().status, 0);
  }
  EXPECT_EQ(HttpClient(gateway_->port()).get("/v1/list?count=1").status, 200);
}

INSTANTIATE_TEST_SUITE_P(Gateway, HeaderBytes, ::testing::Bool(), [](const auto& traced) {
  return traced.param ? "with_a_tracer" : "without_a_tracer";
});

}  // namespace
}  // namespace weir::gateway
