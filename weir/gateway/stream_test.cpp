#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include <weir/gateway/gateway.hpp>
#include <weir/gateway/stream_format.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/shelf_server.hpp>

namespace weir::gateway {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using testing::Answer;
using testing::eventually;
using ::testing::HasSubstr;
using testing::HttpClient;
using ::testing::Not;
using testing::ShelfServer;
using ::testing::StartsWith;

constexpr std::string_view sse = "Accept: text/event-stream\r\n";
constexpr std::string_view whole_json = "Accept: application/json\r\n";
constexpr std::string_view ndjson = "Accept: application/x-ndjson\r\n";

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * 4096;
}

class Stream : public ::testing::Test {
 protected:
  Stream() : gateway_(std::move(Gateway::create(shelf_.gateway_options())).value()) {}

  Answer get(std::string_view target, std::string_view headers = {}) {
    return HttpClient(gateway_->port()).get(target, headers);
  }

  ShelfServer shelf_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(Stream, is_one_json_document_by_default) {
  const auto answer = get("/v1/list?count=5&perResponse=2");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
  EXPECT_THAT(answer.body, StartsWith(R"({"books":[{"title":"","position":1,)"));
  EXPECT_TRUE(answer.body.ends_with(R"(],"head":5,"cursor":5})")) << answer.body;
  EXPECT_EQ(count(answer.body, R"("data":{})"), 5);
}

TEST_F(Stream, is_a_document_also_without_elements) {
  EXPECT_EQ(get("/v1/list?count=0").body, R"({"books":[]})");
  EXPECT_EQ(get("/v1/plain?count=0").body, "[]");
}

TEST_F(Stream, without_an_items_field_is_a_list_of_responses) {
  const auto body = get("/v1/plain?count=2").body;
  EXPECT_THAT(body, StartsWith(R"([{"title":"","position":1,)"));
  EXPECT_EQ(count(body, R"("position":)"), 2);
  EXPECT_EQ(count(get("/v1/plain?count=3", ndjson).body, "\n"), 3);
}

TEST_F(Stream, is_an_element_a_line_as_ndjson) {
  const auto answer = get("/v1/list?count=3&payload=%7B%0A%22a%22:%0D%0A1%7D", ndjson);
  EXPECT_EQ(answer.headers.at("content-type"), "application/x-ndjson");
  EXPECT_EQ(count(answer.body, "\n"), 3);
  EXPECT_THAT(answer.body, HasSubstr(R"("data":{ "a":  1})"));
}

TEST_F(Stream, is_events_with_ids_as_sse_and_says_when_it_ends) {
  const auto answer = get("/v1/list?count=2", sse);
  EXPECT_EQ(answer.headers.at("content-type"), "text/event-stream");
  EXPECT_THAT(answer.body, StartsWith("id: 1\ndata: {\"title\":\"\",\"position\":1,"));
  EXPECT_THAT(answer.body, HasSubstr("\n\nid: 2\ndata: {"));
  EXPECT_TRUE(answer.body.ends_with("event: end\ndata: {\"head\":2,\"cursor\":2}\n\n"));
}

TEST_F(Stream, that_fails_before_its_first_response_answers_with_the_status) {
  for (const auto accept : {std::string_view(), sse, ndjson}) {
    const auto answer = get("/v1/list?count=0&failCode=5", accept);
    EXPECT_EQ(answer.status, 404);
    EXPECT_THAT(answer.body, HasSubstr(R"("code":"NOT_FOUND")"));
  }
}

TEST_F(Stream, that_fails_later_tells_so_in_its_format) {
  EXPECT_TRUE(
      get("/v1/list?count=1&failCode=15", sse)
          .body.ends_with("event: error\ndata: {\"error\":{\"code\":\"DATA_LOSS\",\"status\":500,"
                          "\"message\":\"no more\"}}\n\n"));
  EXPECT_TRUE(
      get("/v1/list?count=1&failCode=15", ndjson)
          .body.ends_with(
              "\n{\"error\":{\"code\":\"DATA_LOSS\",\"status\":500,\"message\":\"no more\"}}\n"));
}

TEST_F(Stream, that_fails_later_is_cut_as_a_json_document) {
  const auto answer = get("/v1/list?count=2&failCode=15");
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.complete);
  EXPECT_EQ(count(answer.body, R"("position")"), 2);
}

TEST_F(Stream, that_resumes_is_sse_for_who_does_not_care) {
  HttpClient client(gateway_->port());
  client.request("GET", "/v1/follow?burst=2&after=7", {}, "Accept: */*\r\n");
  const auto text = client.read_until("id: 9\ndata: {");
  EXPECT_THAT(text, AllOf(HasSubstr("text/event-stream"), HasSubstr("id: 8\n")));
}

TEST_F(Stream, resumes_after_the_last_event_id_and_not_where_its_url_says) {
  HttpClient client(gateway_->port());
  client.request("GET", "/v1/follow?burst=1&after=1", {}, "Last-Event-ID: 41\r\n");
  EXPECT_THAT(client.read_until("data:"), HasSubstr("id: 42\n"));
  const auto wrong = get("/v1/follow", "Last-Event-ID: x\r\n");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("Last-Event-ID: it is not an id"));
}

TEST_F(Stream, moves_the_id_on_with_the_cursor_of_a_response_without_elements) {
  HttpClient client(gateway_->port());
  client.request("GET", "/v1/follow?cursor=99");
  EXPECT_THAT(client.read_until("id: 99\n\n"), Not(HasSubstr("data:")));
}

TEST_F(Stream, without_end_begins_before_there_is_an_event_in_every_form) {
  for (const auto accept : {sse, ndjson, whole_json}) {
    HttpClient client(gateway_->port());
    client.request("GET", "/v1/follow", {}, accept);
    EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200")) << accept;
  }
}

TEST_F(Stream, as_ndjson_begins_with_its_first_response_even_if_that_has_no_element) {
  HttpClient client(gateway_->port());
  const auto begun = std::chrono::steady_clock::now();
  client.request("GET", "/v1/follow?cursor=99", {}, ndjson);
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("application/x-ndjson"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 200ms) << "that is for silent streams";
}

TEST(StreamFormat, fills_what_has_no_end_with_what_means_nothing_when_it_is_silent) {
  StreamShape follow;
  follow.resume = testing::FollowRequest::descriptor()->FindFieldByName("after");
  for (const auto& [format, filler] :
       std::vector<std::pair<StreamFormat, std::string>>{{StreamFormat::sse, ":\n\n"},
                                                         {StreamFormat::ndjson, "\n"},
                                                         {StreamFormat::json, "\n"}}) {
    const auto head = StreamWriter(format, follow).head();
    EXPECT_EQ(head.filler, filler);
    EXPECT_EQ(head.filler_every, std::chrono::milliseconds(15s));
  }
  EXPECT_FALSE(StreamWriter(StreamFormat::ndjson, {}).head().filler_every);
  EXPECT_FALSE(StreamWriter(StreamFormat::json, {}).head().filler_every);
}

TEST_F(Stream, of_a_client_that_goes_away_is_cancelled) {
  for (const bool with_reset : {false, true}) {
    HttpClient client(gateway_->port());
    client.request("GET", "/v1/follow?burst=1");
    client.read_until("id: 1\n");
    ASSERT_EQ(shelf_.waiting(), 1);
    with_reset ? client.reset() : client.close();
    EXPECT_TRUE(eventually([&] { return shelf_.waiting() == 0; }));
  }
}

TEST_F(Stream, goes_on_for_a_client_that_has_only_closed_its_side) {
  HttpClient client(gateway_->port());
  client.request("GET", "/v1/follow?burst=1");
  client.half_close();
  EXPECT_THAT(client.read_until("id: 1\n"), HasSubstr("id: 1\n"));
  EXPECT_EQ(client.read_until("\n:\n\n").substr(0, 5), "data:");
  EXPECT_EQ(shelf_.waiting(), 1);
}

TEST_F(Stream, waits_for_a_slow_reader_without_keeping_what_it_does_not_take) {
  constexpr std::uint64_t responses = 2000;
  constexpr std::uint64_t bytes = 256 * 1024;
  const auto before = resident_bytes();
  HttpClient client(gateway_->port(), 4096);
  client.request("GET",
                 "/v1/list?count=" + std::to_string(responses) + "&bytes=" + std::to_string(bytes));
  ASSERT_TRUE(eventually([&] { return shelf_.written() > 0; }));
  std::uint64_t written = 0;
  ASSERT_TRUE(eventually([&] {
    const auto last = std::exchange(written, shelf_.written());
    std::this_thread::sleep_for(200ms);
    return last == written && shelf_.written() == written;
  }));
  EXPECT_LT(written, 100);
  EXPECT_LT(resident_bytes(), before + (64 << 20));
}

TEST_F(Stream, carries_everything_to_a_reader_that_keeps_up) {
  const auto answer = get("/v1/list?count=20000&perResponse=7");
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(count(answer.body, R"("position":)"), 20000);
}

TEST_F(Stream, that_has_no_end_is_told_that_the_server_stops) {
  HttpClient client(gateway_->port());
  client.request("GET", "/v1/follow?burst=1");
  client.read_until("id: 1\n");
  std::thread stopper([&] { gateway_->stop(5s); });
  EXPECT_THAT(client.read_until("0\r\n\r\n"),
              AllOf(HasSubstr("event: error"), HasSubstr("SHUTTING_DOWN")));
  client.close();
  stopper.join();
  EXPECT_TRUE(eventually([&] { return shelf_.waiting() == 0; }));
}

TEST_F(Stream, asked_for_by_head_answers_with_its_head_and_is_cancelled) {
  HttpClient client(gateway_->port());
  client.request("HEAD", "/v1/follow?burst=1");
  EXPECT_EQ(client.answer(true).headers.at("content-type"), "text/event-stream");
  EXPECT_TRUE(eventually([&] { return shelf_.waiting() == 0; }));
  EXPECT_EQ(client.get("/v1/list?count=0").status, 200);
}

TEST_F(Stream, ends_with_its_connection_for_http_1_0) {
  HttpClient client(gateway_->port());
  client.send("GET /v1/list?count=1 HTTP/1.0\r\n\r\n");
  const auto text = client.read_until("\"cursor\":1}");
  EXPECT_THAT(text, AllOf(Not(HasSubstr("chunked")), HasSubstr("\r\n\r\n{\"books\":[{")));
  EXPECT_TRUE(client.closed());
}

TEST(StreamFormat, is_what_accept_wants_most) {
  using F = StreamFormat;
  EXPECT_EQ(choose_format("", F::sse), F::sse);
  EXPECT_EQ(choose_format("*/*", F::json), F::json);
  EXPECT_EQ(choose_format("text/html,application/xml;q=0.9,*/*;q=0.8", F::sse), F::sse);
  EXPECT_EQ(choose_format("application/json;q=0.5, application/x-ndjson", F::sse), F::ndjson);
  EXPECT_EQ(choose_format("text/event-stream;q=0.1,application/json;q=0.2", F::sse), F::json);
  EXPECT_EQ(choose_format("application/json", F::sse), F::json);
}

}  // namespace
}  // namespace weir::gateway
