#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include <fmt/format.h>

#include <weir/base/json.hpp>
#include <weir/gateway/base64.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/server/service.hpp>
#include <weir/store/sqlite/store.hpp>
#include <weir/store/testing/memory_store.hpp>
#include <weir/store/testing/passing_store.hpp>

#include <tests/support/one_log_catalog.hpp>
#include <tests/support/temporary_folder.hpp>

namespace weir::server {
namespace {

using gateway::testing::Answer;
using gateway::testing::HttpClient;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// A log that is damaged past its first events.
class DamagedStore final : public testing::PassingStore {
 public:
  using PassingStore::PassingStore;
  using PassingStore::read_step;
  Result<ReadStep> read_step(ReadRequest request) override {
    if (request.after > Position()) return damaged("page 7");
    return PassingStore::read_step(std::move(request));
  }
};

/// A whole service over logs in a file, called by HTTP.
class DcbAdapter : public ::testing::Test {
 protected:
  DcbAdapter() {
    const auto store =
        sqlite::Store::open({.path = folder_.file("log.db")}, std::make_shared<engine::Threads>());
    EXPECT_TRUE(store) << to_string(store.error());
    serve(*store);
  }

  /// From here on, instead of the logs in the file.
  void serve(std::shared_ptr<Catalog> catalog) {
    http_.reset();
    catalog_ = std::move(catalog);
    ServiceOptions options;
    options.grpc.grpc_address = options.http.address = "127.0.0.1:0";
    auto service = Service::start(catalog_, options);
    EXPECT_TRUE(service) << to_string(service.error());
    service_ = std::move(*service);
    const auto address = service_->http_address();
    http_ = std::make_unique<HttpClient>(
        static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  }

  Answer get(const std::string& parameters) { return http_->get("/read" + parameters); }
  /// Either may be left out.
  Answer read(const std::string& query, const std::string& options = {}) {
    std::string parameters = "?";
    if (!query.empty()) parameters += "query=" + percent_encoded(query) + "&";
    if (!options.empty()) parameters += "options=" + percent_encoded(options);
    return get(parameters);
  }
  Answer append(const std::string& body) { return http_->post("/append", body); }

  /// The body of an append that must work, without how long it took.
  std::string appended(const std::string& body) {
    const auto answer = append(body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    static const std::regex duration("\"durationInMicroseconds\":[0-9]+,");
    return std::regex_replace(answer.body, duration, "");
  }
  static constexpr const char* done = R"({"appendConditionFailed":false})";
  static constexpr const char* failed = R"({"appendConditionFailed":true})";

  /// Positions in the answer to a read that must work.
  static std::vector<int> positions(const Answer& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(check_json(answer.body)) << answer.body;
    constexpr std::string_view name = "\"position\":";
    std::vector<int> out;
    for (auto at = answer.body.find(name); at != std::string::npos;
         at = answer.body.find(name, at + 1)) {
      out.push_back(std::stoi(answer.body.substr(at + name.size(), 10)));
    }
    return out;
  }
  using Positions = std::vector<int>;

  static void expect_refused(const Answer& answer, const std::string& field) {
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    EXPECT_THAT(answer.body, StartsWith(R"({"error":{"code":"INVALID_ARGUMENT","status":400,)"));
    EXPECT_THAT(answer.body, HasSubstr("\"message\":\"" + field + ": "));
    EXPECT_TRUE(check_json(answer.body)) << answer.body;
  }
  std::uint64_t head() const { return catalog_->open("default").value()->head().value().value; }
  /// Three events: A with x, B with x and y, A with y.
  void fill() {
    EXPECT_EQ(appended(R"({"events":[{"type":"A","tags":["x"],"data":"1"},
                                     {"type":"B","tags":["x","y"],"data":"2"},
                                     {"type":"A","tags":["y"],"data":"3"}]})"),
              done);
  }

  testing_support::TemporaryFolder folder_;
  std::shared_ptr<Catalog> catalog_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<HttpClient> http_;
};

TEST_F(DcbAdapter, answers_what_was_appended) {
  EXPECT_EQ(get("").body, "[]");
  fill();
  const auto answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_EQ(answer.body, R"([{"type":"A","tags":["x"],"data":"1","position":1},)"
                         R"({"type":"B","tags":["x","y"],"data":"2","position":2},)"
                         R"({"type":"A","tags":["y"],"data":"3","position":3}])");
}

TEST_F(DcbAdapter, says_how_long_an_append_took_and_whether_its_condition_failed) {
  const auto answer = append(R"({"events":[{"type":"A","tags":[],"data":""}]})");
  EXPECT_TRUE(std::regex_match(
      answer.body,
      std::regex(R"(\{"durationInMicroseconds":[0-9]+,"appendConditionFailed":false\})")))
      << answer.body;
}

TEST_F(DcbAdapter, reads_everything_unless_told_otherwise) {
  fill();
  const Positions all = {1, 2, 3};
  for (const auto* parameters :
       {"", "?", "?&", "?query={}", "?query=null&options=null", "?options={}",
        "?query={%22items%22:[]}", "?query={%22items%22:null}", "?query={%22items%22:[{}]}",
        "?query={%22items%22:[{%22types%22:null,%22tags%22:null}]}",
        "?query={%22items%22:[{%22types%22:[],%22tags%22:[]}]}",
        "?options={%22from%22:null,%22limit%22:null,%22backwards%22:null}",
        "?options={%22backwards%22:false}", "?query=+{}+&options=+{}"}) {
    EXPECT_EQ(positions(get(parameters)), all) << parameters;
  }
}

TEST_F(DcbAdapter, reads_what_matches_any_item_by_one_type_and_all_tags) {
  fill();
  EXPECT_EQ(positions(read(R"({"items":[{"types":["A"]}]})")), Positions({1, 3}));
  EXPECT_EQ(positions(read(R"({"items":[{"types":["A","B"],"tags":["x"]}]})")), Positions({1, 2}));
  EXPECT_EQ(positions(read(R"({"items":[{"tags":["y","x"]}]})")), Positions({2}));
  EXPECT_EQ(positions(read(R"({"items":[{"types":["B"]},{"types":["A"],"tags":["y"]}]})")),
            Positions({2, 3}));
  EXPECT_EQ(read(R"({"items":[{"types":["C"]}]})").body, "[]");
}

TEST_F(DcbAdapter, begins_with_the_position_given) {
  fill();
  EXPECT_EQ(positions(read("", R"({"from":0})")), Positions({1, 2, 3}));
  EXPECT_EQ(positions(read("", R"({"from":1})")), Positions({1, 2, 3}));
  EXPECT_EQ(positions(read("", R"({"from":3})")), Positions({3}));
  EXPECT_EQ(read("", R"({"from":4})").body, "[]");
  EXPECT_EQ(read("", R"({"from":18446744073709551615})").body, "[]");
  EXPECT_EQ(positions(read(R"({"items":[{"types":["A"]}]})", R"({"from":2})")), Positions({3}));
}

TEST_F(DcbAdapter, goes_backwards_from_the_position_given) {
  fill();
  EXPECT_EQ(positions(read("", R"({"backwards":true})")), Positions({3, 2, 1}));
  EXPECT_EQ(positions(read("", R"({"backwards":true,"from":2})")), Positions({2, 1}));
  EXPECT_EQ(positions(read("", R"({"from":9,"backwards":true})")), Positions({3, 2, 1}));
  EXPECT_EQ(read("", R"({"backwards":true,"from":0})").body, "[]");
}

TEST_F(DcbAdapter, reads_no_more_events_than_the_limit) {
  fill();
  EXPECT_EQ(read("", R"({"limit":0})").body, "[]");
  EXPECT_EQ(positions(read("", R"({"limit":2})")), Positions({1, 2}));
  EXPECT_EQ(positions(read("", R"({"limit":2,"from":2})")), Positions({2, 3}));
  EXPECT_EQ(positions(read("", R"({"limit":1,"backwards":true})")), Positions({3}));
  EXPECT_EQ(positions(read(R"({"items":[{"tags":["y"]}]})", R"({"limit":1})")), Positions({2}));
  EXPECT_EQ(positions(read("", R"({"limit":18446744073709551615})")), Positions({1, 2, 3}));
}

TEST_F(DcbAdapter, answers_a_failed_condition_with_true) {
  fill();
  const auto given = [&](const std::string& condition) {
    return appended(R"({"events":[{"type":"New","tags":[],"data":""}],"condition":)" + condition +
                    "}");
  };
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[{"types":["B"]}]}})"), failed);
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[{"types":["B"]}]},"after":null})"), failed);
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[{"types":["B"]}]},"after":0})"), failed);
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[{"types":["B"]}]},"after":1})"), failed);
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[]},"after":2})"), failed);
  EXPECT_EQ(given(R"({"failIfEventsMatch":null,"after":2})"), failed);
  EXPECT_EQ(given("{}"), failed) << "any event matches";
  EXPECT_EQ(head(), 3);
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[{"types":["B"]}]},"after":2})"), done);
  EXPECT_EQ(given(R"({"failIfEventsMatch":{"items":[{"types":["C"]}]}})"), done);
  EXPECT_EQ(given(R"({"after":1000})"), done);
  EXPECT_EQ(given("null"), done);
  EXPECT_EQ(head(), 7);
}

TEST_F(DcbAdapter, takes_what_is_null_for_what_is_not_there) {
  EXPECT_EQ(appended(R"({"events":[{"type":"A","tags":null,"data":null}],"condition":null})"),
            done);
  EXPECT_EQ(appended(R"({"events":[{"type":"A"}]})"), done);
  EXPECT_EQ(get("").body, R"([{"type":"A","tags":[],"data":"","position":1},)"
                          R"({"type":"A","tags":[],"data":"","position":2}])");
}

TEST_F(DcbAdapter, keeps_data_as_the_string_it_is) {
  const std::string text = R"( {"a" : 1.0, "a":"b\"\\ü"} not JSON)"
                           "\x01\t\n\x7f"
                           "€😀";
  std::string quoted;
  append_json_string(quoted, text);
  appended(R"({"events":[{"type":"A","tags":[],"data":)" + quoted + "}]}");
  appended(R"({"events":[{"type":"A","tags":[],"data":"\u00e4\u0000\ud83d\ude00\/"}]})");
  const auto log = catalog_->open("default").value();
  const auto step = log->read_step(ReadRequest());
  ASSERT_TRUE(step);
  std::vector<std::string> kept;
  for (const auto& event : step->batch) {
    kept.emplace_back(event.data());
    EXPECT_EQ(event.content_type(), "text/plain; charset=utf-8");
    EXPECT_TRUE(event.id());
  }
  EXPECT_EQ(kept, (std::vector{text, std::string("ä\0😀/", 8)}));
  EXPECT_THAT(get("").body, HasSubstr("\"data\":" + quoted + ","));
}

TEST_F(DcbAdapter, gives_in_base64_what_came_another_way_and_is_no_text) {
  const auto log = catalog_->open("default").value();
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  for (const auto& [data, type] :
       std::vector<std::pair<std::string, std::string>>{{every_byte, "application/octet-stream"},
                                                        {R"({"a":"ä"})", ""},
                                                        {"text", "application/octet-stream"}}) {
    ASSERT_TRUE(log->append({.events = {{.type = "T", .data = data, .content_type = type}}}));
  }
  EXPECT_EQ(get("").body, R"([{"type":"T","tags":[],"data":")" +
                              gateway::encode_base64(every_byte) +
                              R"(","dataEncoding":"base64","position":1},)"
                              R"({"type":"T","tags":[],"data":"{\"a\":\"ä\"}","position":2},)"
                              R"({"type":"T","tags":[],"data":"text","position":3}])");
}

TEST_F(DcbAdapter, is_on_the_log_default) {
  ASSERT_TRUE(catalog_->create("other", {}));
  ASSERT_TRUE(catalog_->open("other").value()->append({.events = {{.type = "T", .data = "{}"}}}));
  EXPECT_EQ(get("").body, "[]");
}

TEST_F(DcbAdapter, refuses_parameters_and_fields_that_it_does_not_know) {
  expect_refused(get("?limit=1"), "limit");
  expect_refused(get("?Query={}"), "Query");
  expect_refused(read(R"({"item":[]})"), "query.item");
  expect_refused(read(R"({"items":[{"type":["A"]}]})"), "query.items[0].type");
  expect_refused(read("", R"({"after":1})"), "options.after");
  // Long names are shortened, and not within a character.
  for (const std::string begin : {"", "a"}) {
    std::string name = begin, shortened = begin;
    while (name.size() < 120) name += "ä";
    while (shortened.size() < 63) shortened += "ä";
    expect_refused(append("{\"" + name + "\":1}"), shortened);
    expect_refused(read("{\"" + name + "\":1}"), "query." + shortened);
  }
  expect_refused(append(R"({"event":[]})"), "event");
  expect_refused(append(R"({"events":[{"type":"A","id":"1"}]})"), "events[0].id");
  expect_refused(append(R"({"events":[{"type":"A"}],"condition":{"from":1}})"), "condition.from");
  expect_refused(append(R"({"events":[{"type":"A"}],"condition":{"failIfEventsMatch":{"x":1}}})"),
                 "condition.failIfEventsMatch.x");
  EXPECT_EQ(head(), 0);
}

TEST_F(DcbAdapter, refuses_values_of_other_types) {
  expect_refused(read("[]"), "query");
  expect_refused(read(R"({"items":{}})"), "query.items");
  expect_refused(read(R"({"items":["A"]})"), "query.items[0]");
  expect_refused(read(R"({"items":[{"types":"A"}]})"), "query.items[0].types");
  expect_refused(read(R"({"items":[{"tags":["x",1]}]})"), "query.items[0].tags[1]");
  expect_refused(read("", "1"), "options");
  for (const auto* number : {"-1", "1.5", "\"1\"", "true", "18446744073709551616"}) {
    expect_refused(read("", fmt::format(R"({{"from":{}}})", number)), "options.from");
    expect_refused(read("", fmt::format(R"({{"limit":{}}})", number)), "options.limit");
  }
  expect_refused(read("", R"({"backwards":1})"), "options.backwards");
  expect_refused(append("[]"), "body");
  expect_refused(append(R"({"events":{}})"), "events");
  expect_refused(append(R"({"events":["A"]})"), "events[0]");
  expect_refused(append(R"({"events":[{"type":"A"},{"type":1}]})"), "events[1].type");
  expect_refused(append(R"({"events":[{"type":"A","data":{}}]})"), "events[0].data");
  expect_refused(append(R"({"events":[{"type":"A","tags":[null]}]})"), "events[0].tags[0]");
  expect_refused(append(R"({"events":[{"type":"A"}],"condition":{"after":-1}})"),
                 "condition.after");
  EXPECT_EQ(head(), 0);
}

TEST_F(DcbAdapter, refuses_what_is_not_json_or_not_percent_encoded) {
  for (const auto* encoded : {"%", "%7", "{}%zz", "%7G"}) {
    expect_refused(get(std::string("?query=") + encoded), "query");
    expect_refused(get(std::string("?options=") + encoded), "options");
  }
  for (const std::string broken : {"{", "{}{}", "{'items':[]}", "{\"items\":[],}", "nul",
                                   "{\"items\":[{\"types\":[\"\xff\"]}]}"}) {
    expect_refused(read(broken), "query");
    expect_refused(append(broken), "body");
  }
  expect_refused(get("?query="), "query");
  expect_refused(append(""), "body");
  expect_refused(append(std::string(1000, '[')), "body");
  EXPECT_EQ(head(), 0);
}

TEST_F(DcbAdapter, takes_bodies_that_are_said_to_be_json_alone) {
  const std::string body = R"({"events":[{"type":"A","tags":[],"data":""}]})";
  for (const auto* type : {"text/plain", "application/x-www-form-urlencoded",
                           "application/octet-stream", "application/jsonp"}) {
    const auto answer = http_->post("/append", body, fmt::format("Content-Type: {}\r\n", type));
    EXPECT_EQ(answer.status, 415) << type;
    EXPECT_THAT(answer.body, HasSubstr("Content-Type"));
  }
  EXPECT_EQ(head(), 0);
  for (const auto* type :
       {"application/json", "application/json; charset=utf-8", "Application/JSON"}) {
    EXPECT_EQ(http_->post("/append", body, fmt::format("Content-Type: {}\r\n", type)).status, 200)
        << type;
  }
  EXPECT_EQ(head(), 3);
}

TEST_F(DcbAdapter, holds_requests_to_the_limits_of_weir) {
  const auto of = [](const std::string& type, const std::string& tag, std::size_t data_bytes) {
    return fmt::format(R"({{"events":[{{"type":"{}","tags":["{}"],"data":"{}"}}]}})", type, tag,
                       std::string(data_bytes, 'd'));
  };
  const std::string longest(1024, 'x');
  EXPECT_EQ(appended(of(longest, longest, 1 << 20)), done);
  expect_refused(append(of(longest + "x", "t", 0)), "events[0].type");
  expect_refused(append(of("", "t", 0)), "events[0].type");
  expect_refused(append(of("T", longest + "x", 0)), "events[0].tags[0]");
  expect_refused(append(of("T", "", 0)), "events[0].tags[0]");
  expect_refused(append(of("T", "t", (1 << 20) + 1)), "events[0].data");
  for (const auto* nothing : {R"({"events":[]})", R"({"events":null})", "{}"}) {
    expect_refused(append(nothing), "events");
  }
  EXPECT_EQ(head(), 1);
  EXPECT_EQ(positions(read(R"({"items":[{"types":[")" + longest + R"("]}]})")), Positions({1}));
}

TEST_F(DcbAdapter, takes_all_events_or_none) {
  expect_refused(append(R"({"events":[{"type":"A"},{"type":""}]})"), "events[1].type");
  EXPECT_EQ(head(), 0);
}

TEST_F(DcbAdapter, streams_a_long_answer_whole) {
  const auto log = catalog_->open("default").value();
  constexpr int count = 20'000;
  std::string expected = "[";
  for (int i = 0; i < 20; ++i) {
    AppendRequest request;
    for (int j = 1; j <= count / 20; ++j) {
      const auto position = i * (count / 20) + j;
      request.events.push_back({.type = "T", .data = std::string(position % 400 + 2, '1')});
      expected += fmt::format(R"({{"type":"T","tags":[],"data":"{}","position":{}}},)",
                              request.events.back().data, position);
    }
    ASSERT_TRUE(log->append(std::move(request)));
  }
  expected.back() = ']';
  const auto answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
  EXPECT_TRUE(answer.body == expected) << answer.body.size() << " bytes of " << expected.size();
  const auto last = positions(read("", R"({"backwards":true})"));
  EXPECT_EQ(last.size(), count);
  EXPECT_EQ(last.front(), count);
  EXPECT_EQ(last.back(), 1);
}

TEST_F(DcbAdapter, cuts_an_answer_off_that_fails_half_way) {
  testing::MemoryStore memory{"default"};
  ASSERT_TRUE(memory.append({.events = std::vector<Event>(5000, {.type = "T", .data = "{}"})}));
  serve(std::make_shared<testing_support::OneLogCatalog>(std::make_shared<DamagedStore>(memory)));
  const auto answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.complete);
  EXPECT_THAT(answer.body, StartsWith("[{"));
  EXPECT_FALSE(check_json(answer.body));
  EXPECT_TRUE(http_->closed());
  service_.reset();
}

TEST_F(DcbAdapter, answers_an_error_when_nothing_could_be_read) {
  testing::MemoryStore memory{"default"};
  serve(std::make_shared<testing_support::OneLogCatalog>(std::make_shared<DamagedStore>(memory)));
  const auto answer = read("", R"({"from":2})");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("DATA_LOSS"));
  service_.reset();
}

}  // namespace
}  // namespace weir::server
