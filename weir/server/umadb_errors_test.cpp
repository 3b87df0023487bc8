#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/server/umadb_for_tests.hpp>
#include <weir/store/testing/memory_store.hpp>
#include <weir/store/testing/passing_store.hpp>

#include <tests/support/one_log_catalog.hpp>

namespace weir::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Answers everything with an error while it has one.
class FailingStore final : public testing::PassingStore {
 public:
  using PassingStore::append;
  using PassingStore::head;
  using PassingStore::PassingStore;
  using PassingStore::read_step;
  Result<ReadStep> read_step(ReadRequest request) override {
    if (error && reads_left-- <= 0) return *error;
    return PassingStore::read_step(std::move(request));
  }
  Result<Position> head(CallOptions call) override {
    if (error) return *error;
    return PassingStore::head(std::move(call));
  }
  Result<Appended> append(AppendRequest request) override {
    if (error) return *error;
    return PassingStore::append(std::move(request));
  }
  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               CallOptions call) override {
    if (error) return *error;
    return PassingStore::tracked(source, std::move(call));
  }
  Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) override {
    if (error) return *error;
    return PassingStore::open_subscription(std::move(request));
  }

  std::optional<Error> error;
  /// That work nevertheless.
  int reads_left = 0;
};

/// Bytes by their hexadecimal digits, with spaces between them.
std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 3) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// The message with its first "@" replaced by a byte that is in no UTF-8.
template <class Message>
std::string spoiled(const Message& message) {
  auto bytes = message.SerializeAsString();
  const auto at = bytes.find('@');
  EXPECT_NE(at, std::string::npos);
  bytes.replace(at, 1, "\xff");
  return bytes;
}

class UmadbErrors : public UmadbTest {
 protected:
  /// The status of each method, each time called as if nothing were wrong.
  std::map<std::string, grpc::Status> statuses(const std::string& log = {}) {
    std::map<std::string, grpc::Status> all;
    all["Append"] = append(one("T"), log).status;
    all["Head"] = head(log).status;
    all["GetTrackingInfo"] = tracking("s", log).status;
    all["Read"] = read({}, log).status;
    UmadbContext context(log);
    const auto stream = stub_->Subscribe(&context, {});
    theirs::SubscribeResponse message;
    if (stream->Read(&message)) context.TryCancel();
    all["Subscribe"] = stream->Finish();
    return all;
  }
  /// Whoever calls is answered with the error.
  std::map<std::string, grpc::Status> statuses_with(const Error& error) {
    testing::MemoryStore memory{"default"};
    const auto store = std::make_shared<FailingStore>(memory);
    serve(std::make_shared<testing_support::OneLogCatalog>(store));
    store->error = error;
    auto all = statuses();
    server_.reset();
    return all;
  }
  static void expect_without_details(const grpc::Status& status, grpc::StatusCode code) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_EQ(status.error_details(), "");
  }
  /// With a key that stands there twice, or a value that is too long.
  static theirs::AppendRequest with_metadata(const std::string& key, const std::string& value,
                                             int times = 1) {
    auto request = one("T");
    for (int i = 0; i < times; ++i) {
      auto& entry = *request.mutable_events(0)->add_metadata();
      entry.set_key(key);
      entry.set_value(value);
    }
    return request;
  }
  static theirs::AppendRequest unless(const std::string& type, const std::string& tag,
                                      theirs::AppendRequest request) {
    add_item(*request.mutable_condition()->mutable_fail_if_events_match(), {type}, {tag});
    return request;
  }
  /// Each of these behind a message that is fine makes it one that can't be read.
  void expect_malformed(const std::string& method, const std::string& fine,
                        const std::vector<std::string>& hex) {
    EXPECT_TRUE(raw(method, fine).status.ok()) << method;
    for (const auto& each : hex) {
      SCOPED_TRACE(method + ": " + each);
      const auto answer = raw(method, fine + bytes_of(each));
      expect_without_details(answer.status, grpc::INTERNAL);
      EXPECT_TRUE(answer.response.empty());
    }
  }
};

/// What no message may hold, whatever its fields are.
const std::vector<std::string> never = {
    "00 00",                                // field 0
    "02 00",                                // field 0
    "88 80 80 80 10 01",                    // a tag past 32 bits
    "ff ff ff ff ff ff ff ff ff 01 00",     // a tag past 32 bits
    "ff ff ff",                             // half a tag
    "78",                                   // half a varint
    "78 80",                                // half a varint
    "78 ff ff ff ff ff ff ff ff ff 02",     // a varint past 64 bits
    "78 ff ff ff ff ff ff ff ff ff ff 01",  // a varint of eleven bytes
    "79 01 02 03 04 05 06 07",              // half a fixed64
    "7a",                                   // bytes without a length
    "7a 02 78",                             // half of the bytes
    "7a ff ff ff ff ff ff ff ff ff 01 78",  // the same
    "7d 01 02 03",                          // half a fixed32
    "7b 08 05",                             // a group without an end
    "7b 08 05 8c 01",                       // ended as another
    "7c",                                   // an end without a group
    "7e 00",                                // a type that there is not
    "7f 00",                                // the same
};

/// What is to be skipped, whatever it is.
const std::vector<std::string> unknown_fields = {
    "78 01",                                                  // varint
    "78 ff ff ff ff ff ff ff ff ff 01",                       // the greatest varint
    "79 01 02 03 04 05 06 07 08",                             // fixed64
    "7a 02 78 78",                                            // bytes
    "7a 00",                                                  // none
    "7d 01 02 03 04",                                         // fixed32
    "93 03 08 05 94 03",                                      // a group
    "93 03 94 03",                                            // without anything in it
    "7b 7b 08 05 7c 79 01 02 03 04 05 06 07 08 7a 01 0a 7c",  // within another
    "f8 ff ff ff 0f 01",                                      // the greatest field number
};

TEST_F(UmadbErrors, failed_conditions_and_tracking_are_integrity_errors) {
  auto request = one("T");
  request.mutable_condition();
  request.mutable_tracking_info()->set_source("s");
  request.mutable_tracking_info()->set_position(5);
  appended(request);
  const auto conflict = append(request).status;
  expect_conflict(conflict);
  EXPECT_EQ(conflict.error_message(), "integrity error: condition failed: event 1 matches");
  request.clear_condition();
  const auto not_increasing = append(request).status;
  expect_conflict(not_increasing);
  EXPECT_THAT(not_increasing.error_message(), StartsWith("integrity error: "));
}

TEST_F(UmadbErrors, requests_past_a_limit_are_invalid_arguments) {
  const std::string too_long(65'536, 'x');
  theirs::ReadRequest subscribing, by_type;
  subscribing.set_subscribe(true);
  add_item(*by_type.mutable_query(), {too_long});
  for (const auto& status :
       {append(one(too_long)).status, append(one("T", {too_long})).status,
        append(with_metadata(too_long, "v")).status, append(with_metadata("k", too_long)).status,
        append(with_metadata("k", "v", 2)).status, append(unless("T", too_long, one("T"))).status,
        read(subscribing).status, read(by_type).status}) {
    expect_invalid(status);
    EXPECT_THAT(status.error_message(), StartsWith("invalid argument: "));
  }
  theirs::SubscribeRequest request;
  add_item(*request.mutable_query(), {}, {too_long});
  UmadbContext context;
  const auto stream = stub_->Subscribe(&context, request);
  theirs::SubscribeResponse message;
  EXPECT_FALSE(stream->Read(&message));
  expect_invalid(stream->Finish());
  EXPECT_EQ(head_position(), 0);
}

TEST_F(UmadbErrors, unknown_logs_are_not_found) {
  for (const auto& [method, status] : statuses("unknown")) {
    SCOPED_TRACE(method);
    expect_error(status, grpc::NOT_FOUND, theirs::ErrorResponse::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), StartsWith("invalid argument: "));
    EXPECT_THAT(status.error_message(), HasSubstr("unknown"));
  }
}

TEST_F(UmadbErrors, malformed_uuids_are_corruption) {
  const auto status = append(one("T", {}, {}, "none")).status;
  expect_corruption(status);
  EXPECT_THAT(status.error_message(), StartsWith("deserialization error: "));
}

TEST_F(UmadbErrors, damage_in_the_store_is_corruption) {
  for (const auto& [method, status] : statuses_with(damaged("page 7"))) {
    SCOPED_TRACE(method);
    expect_corruption(status);
    EXPECT_THAT(status.error_message(), StartsWith("corruption: page 7"));
  }
}

TEST_F(UmadbErrors, faults_of_our_own_are_internal) {
  for (const auto& [method, status] : statuses_with(internal_bug("two and two"))) {
    SCOPED_TRACE(method);
    expect_error(status, grpc::INTERNAL, theirs::ErrorResponse::INTERNAL);
    EXPECT_EQ(status.error_message(), "internal error: two and two");
  }
}

TEST_F(UmadbErrors, what_may_be_tried_again_has_only_its_status) {
  const std::vector<std::pair<Error, grpc::StatusCode>> errors = {
      {overloaded("too much", std::chrono::milliseconds(50)), grpc::RESOURCE_EXHAUSTED},
      {unavailable("the disk is away"), grpc::UNAVAILABLE},
      {deadline_passed(), grpc::DEADLINE_EXCEEDED},
      {cancelled(), grpc::CANCELLED}};
  for (const auto& [error, code] : errors) {
    for (const auto& [method, status] : statuses_with(error)) {
      SCOPED_TRACE(method);
      expect_without_details(status, code);
      EXPECT_EQ(status.error_message(), error.message);
    }
  }
}

TEST_F(UmadbErrors, calls_past_what_is_admitted_have_only_their_status) {
  ServerOptions options;
  options.admission.calls = options.admission.streams =
      AdmissionOptions::Rate{.permits = 1, .per = std::chrono::hours(1)};
  serve(std::make_shared<testing::MemoryCatalog>(), options);
  EXPECT_TRUE(head().status.ok());
  EXPECT_TRUE(read({}).status.ok());
  for (const auto& [method, status] : statuses()) {
    SCOPED_TRACE(method);
    expect_without_details(status, grpc::RESOURCE_EXHAUSTED);
  }
}

TEST_F(UmadbErrors, callers_without_a_token_are_unauthenticated) {
  ServerOptions options;
  options.access = std::make_shared<Access>(
      AccessOptions{.tokens = security::Tokens(), .log = [](const std::string&) {}});
  serve(std::make_shared<testing::MemoryCatalog>(), options);
  for (const auto& [method, status] : statuses()) {
    SCOPED_TRACE(method);
    expect_error(status, grpc::UNAUTHENTICATED, theirs::ErrorResponse::AUTHENTICATION);
    EXPECT_THAT(status.error_message(), StartsWith("authentication error: "));
  }
}

TEST_F(UmadbErrors, half_way_through_a_read_end_it_with_their_status) {
  testing::MemoryStore memory{"default"};
  ASSERT_TRUE(memory.append({.events = std::vector<Event>(5000, {.type = "T", .data = "{}"})}));
  const auto store = std::make_shared<FailingStore>(memory);
  store->error = damaged("page 7");
  store->reads_left = 2;
  serve(std::make_shared<testing_support::OneLogCatalog>(store));
  const auto messages = read({});
  EXPECT_EQ(messages.response.size(), 2);
  expect_corruption(messages.status);
  server_.reset();
}

TEST_F(UmadbErrors, long_messages_of_any_call_have_only_their_status) {
  const std::vector<std::string> methods = {"Append", "Head", "GetTrackingInfo", "Read",
                                            "Subscribe"};
  for (const auto& method : methods) {
    SCOPED_TRACE(method);
    expect_without_details(raw(method, std::string((4 << 20) + 1, 'x')).status, grpc::OUT_OF_RANGE);
    expect_without_details(raw(method, std::string((20 << 20) + 1, 'x')).status,
                           grpc::RESOURCE_EXHAUSTED);
  }
}

TEST_F(UmadbErrors, say_only_whole_characters) {
  // Odd and even, so that a cut after so many bytes is within a character of one of them.
  for (const std::string begin : {"", "a"}) {
    std::string key = begin, long_key = begin;
    while (key.size() < 80) key += "é";
    while (long_key.size() < 65'536) long_key += "€";
    expect_invalid(append(with_metadata(key, std::string(65'536, 'x'))).status);
    expect_invalid(append(with_metadata(key, "v", 2)).status);
    expect_invalid(append(with_metadata(long_key, "v")).status);
    theirs::AppendRequest tracked;
    tracked.mutable_tracking_info()->set_source(key);
    tracked.mutable_tracking_info()->set_position(1);
    appended(tracked);
    expect_conflict(append(tracked).status);
    tracked.mutable_tracking_info()->set_source(long_key);
    expect_invalid(append(tracked).status);
  }
  EXPECT_EQ(head_position(), 0);
}

TEST_F(UmadbErrors, name_the_field_that_is_not_utf8) {
  theirs::AppendRequest by_source;
  by_source.mutable_tracking_info()->set_source("@");
  const std::vector<std::pair<theirs::AppendRequest, std::string>> requests = {
      {one("@"), "events[0].type"},
      {one("T", {"x", "a@"}), "events[0].tags[1]"},
      {with_metadata("a@b", "v"), "events[0].metadata"},
      {with_metadata("k", "@"), "events[0].metadata[k]"},
      {unless("@", "x", one("T")), "fail_if_events_match.items[0].types[0]"},
      {unless("T", "@", one("T")), "fail_if_events_match.items[0].tags[0]"},
      {by_source, "tracking.source"}};
  for (const auto& [request, field] : requests) {
    SCOPED_TRACE(field);
    const auto answer = raw("Append", spoiled(request));
    expect_invalid(answer.status);
    EXPECT_THAT(answer.status.error_message(), HasSubstr(field));
    EXPECT_TRUE(answer.response.empty());
  }
  theirs::ReadRequest read;
  add_item(*read.mutable_query(), {"@"});
  expect_invalid(raw("Read", spoiled(read)).status);
  EXPECT_EQ(head_position(), 0);
}

TEST_F(UmadbErrors, malformed_appends_append_nothing) {
  theirs::AppendRequest fine = one("T");
  fine.mutable_condition();
  const auto once = fine.SerializeAsString();
  EXPECT_TRUE(raw("Append", once).status.ok());
  const auto before = head_position();
  auto again = fine;
  again.mutable_condition()->set_after(UINT64_MAX);
  auto malformed = never;
  for (const auto* each : {"08 01",
                           "09 01 02 03 04 05 06 07 08",
                           "0b 0c",
                           "0d 01 02 03 04",  // events
                           "10 01",
                           "15 01 02 03 04",  // condition
                           "18 01",
                           "1b 1c",  // tracking_info
                           "0a 02 08 01",
                           "0a 05 0d 01 02 03 04",
                           "0a 02 0b 0c",  // event_type
                           "0a 02 10 01",
                           "0a 02 18 01",
                           "0a 02 20 01",
                           "0a 02 28 01",  // the event's others
                           "0a 04 2a 02 08 01",
                           "0a 04 2a 02 10 01",  // key, value
                           "0a 03 22 01 ff",     // uuid: not UTF-8
                           "0a 02 00 00",
                           "0a 03 0a 05 78",
                           "0a 01 7c",  // within an event
                           "12 02 08 01",
                           "12 04 0a 02 08 01",  // query, items
                           "12 06 0a 04 0a 02 08 01",
                           "12 06 0a 04 0a 02 10 01",  // types, tags
                           "12 09 11 01 02 03 04 05 06 07 08",
                           "12 05 15 01 02 03 04",
                           "12 02 12 00",                             // after
                           "12 0b 10 ff ff ff ff ff ff ff ff ff 02",  // after: past 64 bits
                           "1a 02 08 01",
                           "1a 02 12 00",
                           "1a 09 11 01 02 03 04 05 06 07 08"}) {  // source, position
    malformed.emplace_back(each);
  }
  const auto bytes = again.SerializeAsString();
  for (const auto& each : malformed) {
    SCOPED_TRACE(each);
    const auto answer = raw("Append", bytes + bytes_of(each));
    expect_without_details(answer.status, grpc::INTERNAL);
    EXPECT_TRUE(answer.response.empty());
  }
  EXPECT_EQ(head_position(), before);
}

TEST_F(UmadbErrors, malformed_reads_are_internal) {
  appended(one("T"));
  theirs::ReadRequest fine;
  fine.set_limit(1);
  expect_malformed("Read", fine.SerializeAsString(), never);
  expect_malformed("Read", fine.SerializeAsString(),
                   {"08 01", "0a 02 08 01", "0a 04 0a 02 08 01", "0a 04 0a 02 10 01",  // query
                    "11 01 02 03 04 05 06 07 08", "12 00",                             // start
                    "1d 01 02 03 04", "1a 00",                                         // backwards
                    "22 00", "25 01 02 03 04",                                         // limit
                    "2a 00", "29 01 02 03 04 05 06 07 08",                             // subscribe
                    "35 01 02 03 04", "33 34"});                                       // batch_size
}

TEST_F(UmadbErrors, malformed_subscriptions_are_internal) {
  theirs::SubscribeRequest fine;
  fine.set_after(UINT64_MAX);
  expect_malformed("Subscribe", fine.SerializeAsString(), never);
  expect_malformed(
      "Subscribe", fine.SerializeAsString(),
      {"08 01", "0a 02 08 01", "11 01 02 03 04 05 06 07 08", "12 00", "1d 01 02 03 04", "1a 00"});
}

TEST_F(UmadbErrors, malformed_looks_at_head_and_tracking_are_internal) {
  expect_malformed("Head", {}, never);
  theirs::TrackingRequest fine;
  fine.set_source("s");
  expect_malformed("GetTrackingInfo", fine.SerializeAsString(), never);
  expect_malformed("GetTrackingInfo", fine.SerializeAsString(),
                   {"08 01", "0d 01 02 03 04", "0b 0c", "0a 01 ff", "0a 02 c3 28"});
}

TEST_F(UmadbErrors, unknown_fields_are_none) {
  std::uint64_t count = 0;
  theirs::TrackingRequest source;
  source.set_source("s");
  for (const auto& hex : unknown_fields) {
    SCOPED_TRACE(hex);
    const auto unknown = bytes_of(hex);
    const auto length = static_cast<char>(unknown.size() + 3);
    // Around an event and in it.
    const auto event = std::string("\x0a") + length + "\x0a\x01T" + unknown;
    const auto append = raw("Append", unknown + event + unknown);
    EXPECT_TRUE(append.status.ok()) << append.status.error_message();
    ++count;
    theirs::AppendResponse position;
    ASSERT_EQ(append.response.size(), 1);
    EXPECT_TRUE(position.ParseFromString(append.response[0]));
    EXPECT_EQ(position.position(), count);
    EXPECT_TRUE(raw("Head", unknown).status.ok());
    EXPECT_TRUE(raw("GetTrackingInfo", unknown + source.SerializeAsString() + unknown).status.ok());
    theirs::ReadRequest last;
    last.set_start(count);
    const auto read = raw("Read", unknown + last.SerializeAsString() + unknown);
    EXPECT_TRUE(read.status.ok());
    theirs::ReadResponse message;
    ASSERT_EQ(read.response.size(), 1);
    EXPECT_TRUE(message.ParseFromString(read.response[0]));
    ASSERT_EQ(message.events_size(), 1);
    EXPECT_EQ(message.events(0).event().event_type(), "T");
    theirs::SubscribeRequest none;
    none.set_after(UINT64_MAX);
    EXPECT_TRUE(raw("Subscribe", unknown + none.SerializeAsString() + unknown).status.ok());
  }
  EXPECT_EQ(head_position(), count);
}

}  // namespace
}  // namespace weir::server
