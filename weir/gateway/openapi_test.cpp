#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <weir/gateway/base64.hpp>
#include <weir/gateway/gateway.hpp>
#include <weir/gateway/testing/http_client.hpp>
#include <weir/gateway/testing/shelf_server.hpp>
#include <weir/security/digest.hpp>

namespace weir::gateway {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using testing::HttpClient;
using ::testing::Not;
using testing::ShelfServer;

class OpenApi : public ::testing::Test {
 protected:
  OpenApi() : gateway_(std::move(Gateway::create(shelf_.gateway_options())).value()) {
    document_ = json::parse(HttpClient(gateway_->port()).get("/openapi.json").body);
  }
  const json::value& at(std::string_view pointer) { return document_.at_pointer(pointer); }

  ShelfServer shelf_;
  std::unique_ptr<Gateway> gateway_;
  json::value document_;
};

TEST_F(OpenApi, lists_every_binding) {
  EXPECT_EQ(at("/openapi"), "3.1.0");
  EXPECT_EQ(at("/info/title"), "Shelves");
  EXPECT_EQ(at("/paths/~1v1~1shelves~1{shelf}~1books/post/operationId"), "Echo");
  EXPECT_EQ(at("/paths/~1v1~1shelves~1{shelf}~1books~1{title}/get/operationId"), "Echo_2");
  EXPECT_EQ(at("/paths/~1v1~1list/get/operationId"), "List");
}

TEST_F(OpenApi, carries_the_protos_comments) {
  EXPECT_EQ(at("/paths/~1v1~1list/get/summary"), "Counts up to a number");
  EXPECT_EQ(at("/components/schemas/Book/properties/title/description"),
            "What is printed on the spine.");
  EXPECT_EQ(at("/tags/0/description"), "Keeps books on shelves.");
}

TEST_F(OpenApi, describes_payloads_as_any_json_and_large_integers_as_both) {
  EXPECT_TRUE(at("/components/schemas/Book/properties/data").as_object().empty());
  EXPECT_EQ(at("/components/schemas/Book/properties/position/type"),
            json::value({"integer", "string"}));
  EXPECT_EQ(at("/components/schemas/Book/properties/labels/additionalProperties/type"), "string");
  EXPECT_EQ(at("/components/schemas/Error/required"), json::value(json::array{"error"}));
}

TEST_F(OpenApi, names_what_a_request_must_have_and_how_long_it_may_take) {
  EXPECT_EQ(at("/components/schemas/Book/required"), json::value(json::array{"title"}));
  EXPECT_FALSE(at("/components/schemas/Details").as_object().contains("required"));
  for (const auto* operation :
       {"/paths/~1v1~1shelves~1{shelf}~1books/post", "/paths/~1v1~1list/get"}) {
    const auto& parameters = at(std::string(operation) + "/parameters").as_array();
    EXPECT_TRUE(std::any_of(parameters.begin(), parameters.end(), [](const json::value& p) {
      return p.at("name") == "Request-Timeout" && p.at("in") == "header";
    })) << operation;
  }
}

TEST_F(OpenApi, names_all_forms_of_a_stream) {
  const auto& content = at("/paths/~1v1~1follow/get/responses/200/content").as_object();
  EXPECT_TRUE(content.contains("application/json"));
  EXPECT_TRUE(content.contains("application/x-ndjson"));
  EXPECT_TRUE(content.contains("text/event-stream"));
}

TEST_F(OpenApi, refers_only_to_schemas_that_it_has) {
  const auto text = json::serialize(document_);
  constexpr std::string_view prefix = "#/components/schemas/";
  int references = 0;
  for (auto found = text.find(prefix); found != std::string::npos;
       found = text.find(prefix, found + 1)) {
    const auto begin = found + prefix.size();
    const auto name = text.substr(begin, text.find('"', begin) - begin);
    EXPECT_TRUE(at("/components/schemas").as_object().contains(name)) << name;
    ++references;
  }
  EXPECT_GT(references, 10);
}

/// What a browser hashes of the page's one such element.
std::string hash_of(const std::string& page, const std::string& element) {
  const auto begin = page.find("<" + element + ">") + element.size() + 2;
  const auto hash = security::sha256(page.substr(begin, page.find("</" + element, begin) - begin));
  return "'sha256-" + encode_base64({reinterpret_cast<const char*>(hash.data()), hash.size()}) +
         "'";
}

TEST_F(OpenApi, has_a_page_that_may_run_its_own_script_and_style_and_has_no_others) {
  const auto page = HttpClient(gateway_->port()).get("/docs");
  const auto& policy = page.headers.at("content-security-policy");
  EXPECT_THAT(policy, HasSubstr("script-src " + hash_of(page.body, "script") + ";"));
  EXPECT_THAT(policy, HasSubstr("style-src " + hash_of(page.body, "style") + ";"));
  EXPECT_THAT(policy, HasSubstr("default-src 'none';"));
  EXPECT_THAT(policy, HasSubstr("connect-src 'self';"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  // All that such a policy would keep from working.
  const auto count = [&](const std::string& what) {
    int found = 0;
    std::size_t at = 0;
    while ((at = page.body.find(what, at)) != std::string::npos) ++found, ++at;
    return found;
  };
  EXPECT_EQ(count("<script"), 1);
  EXPECT_EQ(count("<style"), 1);
  for (const auto* inlined : {" style=\"", " onclick=\"", " onload=\"", " onsubmit=\"",
                              "javascript:", "setAttribute(\"style\"", "eval(", "new Function",
                              "<img", "<link", "<iframe", "innerHTML"}) {
    EXPECT_EQ(count(inlined), 0) << inlined;
  }
}

TEST_F(OpenApi, has_a_page_that_needs_no_other_host) {
  const auto page = HttpClient(gateway_->port()).get("/docs");
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.body, HasSubstr("/openapi.json"));
  EXPECT_THAT(page.body, Not(HasSubstr("http://")));
  EXPECT_THAT(page.body, Not(HasSubstr("https://")));
}

}  // namespace
}  // namespace weir::gateway
