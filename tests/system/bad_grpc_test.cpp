#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <weir/v1/log.grpc.pb.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include <tests/support/places.hpp>
#include <tests/support/server_process.hpp>
#include <tests/system/place.hpp>

namespace weir::system_tests {
namespace {

using testing::HasSubstr;
using testing_support::ServerProcess;
using namespace std::chrono_literals;

class BadGrpc : public testing::Test {
 protected:
  void TearDown() override {
    const auto head = log_->head();
    EXPECT_TRUE(head) << to_string(head.error()) << server_.log();
    log_.reset();
    server_.signal(SIGTERM);
    EXPECT_EQ(server_.wait(12s), 0) << server_.log();
  }
  std::shared_ptr<grpc::Channel> channel() {
    return grpc::CreateChannel(server_.grpc(), grpc::InsecureChannelCredentials());
  }
  grpc::Status send_bytes(const std::string& method, const std::string& bytes) {
    const auto to = channel();
    grpc::GenericStub stub(to);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    return status;
  }
  /// So much that no buffer on the way takes it.
  void fill(int megabytes) {
    const Event event{
        .type = "A", .tags = {"t"}, .data = "{\"x\":\"" + std::string(1000, 'x') + "\"}"};
    for (int i = 0; i < megabytes; ++i) {
      const auto appended = log_->append({.events = std::vector<Event>(1000, event)});
      ASSERT_TRUE(appended) << to_string(appended.error());
    }
  }

  std::unique_ptr<Place> place_ = engines().front().make();
  ServerProcess server_{{.program = testing_support::built_program(), .store = place_->uri()}};
  std::shared_ptr<EventStore> log_ = server_.connect();
};

TEST_F(BadGrpc, malformed_messages_are_refused_on_every_method) {
  std::mt19937 random(7);
  for (const std::string method :
       {"Append", "Head", "GetLog", "ListLogs", "CreateLog", "SaveSnapshot", "LoadSnapshot",
        "DeleteSnapshot", "GetTracking"}) {
    EXPECT_FALSE(send_bytes("/weir.v1.EventLog/" + method, "\x0a\xff\xff\xff").ok()) << method;
  }
  const auto read = send_bytes("/weir.v1.EventLog/Read", "\x0a\xff\xff\xff");
  EXPECT_EQ(read.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << read.error_message();
  EXPECT_THAT(read.error_message(), HasSubstr("request"));
  EXPECT_EQ(send_bytes("/weir.v1.EventLog/Fly", "").error_code(), grpc::StatusCode::UNIMPLEMENTED);
  for (int i = 0; i < 300; ++i) {
    std::string noise(random() % 200, '\0');
    for (auto& byte : noise) byte = static_cast<char>(random());
    send_bytes(i % 2 == 0 ? "/weir.v1.EventLog/Append" : "/weir.v1.EventLog/Head", noise);
  }
}

TEST_F(BadGrpc, a_message_over_the_limit_is_refused) {
  const auto status = send_bytes("/weir.v1.EventLog/Append", std::string((20 << 20) + 1, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

TEST_F(BadGrpc, text_that_is_not_utf8_is_refused_with_its_field_and_the_session_goes_on) {
  const auto appended = log_->append({.events = {{.type = "\xff", .data = "{}"}}});
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Code::invalid_argument);
  EXPECT_THAT(appended.error().message, HasSubstr("events[0].type"));
  const auto read = log_->read({.query = Query{}.tagged("\xc0\x80")}).collect();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::invalid_argument) << to_string(read.error());
}

TEST_F(BadGrpc, a_huge_append_does_not_disturb_the_others_on_its_session) {
  std::atomic<int> answers = 0;
  std::atomic<int> appended = 0;
  for (int i = 0; i < 200; ++i) {
    Event event{.type = "A", .data = "{}"};
    if (i == 100) event.data = "\"" + std::string(30 << 20, 'x') + "\"";
    log_->append({.events = {event}}, [&](Result<Appended> result) {
      if (result) ++appended;
      ++answers;
      answers.notify_all();
    });
  }
  for (int seen = answers; seen < 200; seen = answers) answers.wait(seen);
  EXPECT_EQ(appended, 199);
}

TEST_F(BadGrpc, a_huge_query_does_not_disturb_the_others_on_its_session) {
  Query huge;
  for (int i = 0; i < 400; ++i) huge.items.push_back({.types = {std::string(60'000, 'x')}});
  const auto read = log_->read_step({.query = huge});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::invalid_argument) << to_string(read.error());
  EXPECT_THAT(read.error().message, HasSubstr("request"));
}

TEST_F(BadGrpc, a_server_takes_what_its_own_limits_allow) {
  const auto place = engines().front().make();
  ServerProcess server({.program = testing_support::built_program(),
                        .store = place->uri(),
                        .arguments = {"--tags-max", "300", "--type-bytes-max", "4",
                                      "--data-bytes-max", "3000000", "--query-items-max", "1"}});
  const auto log = server.connect();
  Event event{.type = "Many", .data = "\"" + std::string(2'000'000, 'x') + "\""};
  for (int i = 0; i < 300; ++i) event.tags.push_back(std::to_string(i));
  const auto taken = log->append({.events = {event}});
  EXPECT_TRUE(taken) << to_string(taken.error());
  event.tags.push_back("one too many");
  const auto tags = log->append({.events = {event}});
  ASSERT_FALSE(tags);
  EXPECT_THAT(to_string(tags.error()), HasSubstr("events[0].tags: 301 tags, the limit is 300"));
  const auto type = log->append({.events = {{.type = "Types", .data = "{}"}}});
  ASSERT_FALSE(type);
  EXPECT_THAT(to_string(type.error()), HasSubstr("events[0].type: 5 bytes, the limit is 4"));
  const auto query = log->read({.query = {{{.types = {"A"}}, {.types = {"B"}}}}}).collect();
  ASSERT_FALSE(query);
  EXPECT_THAT(to_string(query.error()), HasSubstr("2 items, the limit is 1"));
}

/// A Session by hand.
struct Raw {
  explicit Raw(const std::shared_ptr<grpc::Channel>& channel)
      : stub(weir::v1::EventLog::NewStub(channel)), stream(stub->Session(&context)) {}
  std::map<std::uint64_t, weir::v1::SessionResponse> read_all() {
    std::map<std::uint64_t, weir::v1::SessionResponse> all;
    weir::v1::SessionResponses message;
    while (stream->Read(&message)) {
      for (auto& response : *message.mutable_responses()) {
        all[response.number()] = std::move(response);
        ++responses;
      }
    }
    return all;
  }
  grpc::ClientContext context;
  std::unique_ptr<weir::v1::EventLog::Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<weir::v1::SessionRequests, weir::v1::SessionResponses>>
      stream;
  int responses = 0;
};

weir::v1::SessionRequest append_request(std::uint64_t number) {
  weir::v1::SessionRequest request;
  request.set_number(number);
  auto& event = *request.mutable_append()->add_events();
  event.set_type("A");
  event.set_data("{}");
  return request;
}

TEST_F(BadGrpc, a_half_closed_session_is_answered_to_the_end) {
  Raw raw(channel());
  weir::v1::SessionRequests message;
  for (std::uint64_t i = 1; i <= 500; ++i) *message.add_requests() = append_request(i);
  ASSERT_TRUE(raw.stream->Write(message));
  ASSERT_TRUE(raw.stream->WritesDone());
  const auto answers = raw.read_all();
  EXPECT_EQ(answers.size(), 500u);
  for (const auto& [number, answer] : answers) {
    EXPECT_EQ(answer.response_case(), weir::v1::SessionResponse::kAppend) << number;
  }
  EXPECT_TRUE(raw.stream->Finish().ok());
  EXPECT_EQ(log_->head()->value, 500u);
}

TEST_F(BadGrpc, a_session_that_asks_nothing_ends_well) {
  Raw raw(channel());
  ASSERT_TRUE(raw.stream->WritesDone());
  EXPECT_TRUE(raw.read_all().empty());
  EXPECT_TRUE(raw.stream->Finish().ok());
}

TEST_F(BadGrpc, a_session_request_that_is_none_is_refused_alone) {
  Raw raw(channel());
  weir::v1::SessionRequests message;
  message.add_requests()->set_number(1);
  *message.add_requests() = append_request(2);
  ASSERT_TRUE(raw.stream->Write(message));
  raw.stream->WritesDone();
  auto answers = raw.read_all();
  EXPECT_EQ(answers[1].response_case(), weir::v1::SessionResponse::kError);
  EXPECT_THAT(answers[1].error(), HasSubstr("neither append, read, head nor cancel"));
  EXPECT_EQ(answers[2].response_case(), weir::v1::SessionResponse::kAppend);
  EXPECT_TRUE(raw.stream->Finish().ok());
}

TEST_F(BadGrpc, numbers_used_twice_at_once_are_refused_and_each_request_is_answered) {
  Raw raw(channel());
  weir::v1::SessionRequests message;
  for (int i = 0; i < 1000; ++i) *message.add_requests() = append_request(7);
  ASSERT_TRUE(raw.stream->Write(message));
  raw.stream->WritesDone();
  raw.read_all();
  EXPECT_TRUE(raw.stream->Finish().ok());
  EXPECT_EQ(raw.responses, 1000);
  EXPECT_LT(log_->head()->value, 1000u);
}

TEST_F(BadGrpc, a_session_message_of_too_many_requests_ends_the_session) {
  const auto before = server_.memory();
  Raw raw(channel());
  weir::v1::SessionRequests message;
  for (int i = 0; i < 1'000'000; ++i) message.add_requests();
  raw.stream->Write(message);
  raw.stream->WritesDone();
  EXPECT_TRUE(raw.read_all().empty());
  const auto status = raw.stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("requests"));
  EXPECT_LT(server_.memory(), before + (300 << 20));
}

TEST_F(BadGrpc, ten_thousand_outstanding_requests_are_each_answered_once) {
  std::atomic<int> answers = 0, appended = 0, refused = 0;
  constexpr int count = 10'000;
  for (int i = 0; i < count; ++i) {
    log_->append({.events = {{.type = "A", .data = "{}"}}}, [&](Result<Appended> result) {
      if (result) ++appended;
      if (!result && result.error().code == Code::resource_exhausted) ++refused;
      ++answers;
      answers.notify_all();
    });
  }
  for (int seen = answers; seen < count; seen = answers) answers.wait(seen);
  EXPECT_EQ(appended + refused, count);
  EXPECT_EQ(log_->head()->value, static_cast<std::uint64_t>(appended));
}

TEST_F(BadGrpc, slow_readers_do_not_grow_the_server) {
  ASSERT_NO_FATAL_FAILURE(fill(60));
  const auto before = server_.memory();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<weir::v1::ReadResponse>>> readers;
  std::vector<std::unique_ptr<weir::v1::EventLog::Stub>> stubs;
  for (int i = 0; i < 20; ++i) {
    stubs.push_back(weir::v1::EventLog::NewStub(channel()));
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stubs.back()->Read(contexts.back().get(), {}));
    weir::v1::ReadResponse first;
    ASSERT_TRUE(readers.back()->Read(&first));
  }
  std::this_thread::sleep_for(1s);  // for the server to send what it wants to send
  EXPECT_LT(server_.memory(), before + (64 << 20));
  for (auto& context : contexts) context->TryCancel();
  for (auto& reader : readers) reader->Finish();
}

TEST_F(BadGrpc, clients_that_vanish_in_mid_stream_leave_nothing_behind) {
  ASSERT_NO_FATAL_FAILURE(fill(8));
  const auto cycle = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto stub = weir::v1::EventLog::NewStub(channel());
      grpc::ClientContext context;
      weir::v1::ReadResponse read;
      weir::v1::SubscribeResponse news;
      if (i % 2 == 0) {
        const auto reader = stub->Read(&context, {});
        reader->Read(&read);
        context.TryCancel();
        reader->Finish();
      } else {
        const auto reader = stub->Subscribe(&context, {});
        reader->Read(&news);
        context.TryCancel();
        reader->Finish();
      }
    }
  };
  cycle(50);
  const auto before = server_.memory();
  cycle(200);
  EXPECT_LT(server_.memory(), before + (24 << 20));
}

TEST_F(BadGrpc, a_deadline_and_a_cancellation_reach_the_engine) {
  ASSERT_NO_FATAL_FAILURE(fill(60));
  // Nothing has this member, and it is not indexed: each event must be looked at.
  const auto query = Query{}.where("nothing", "here");
  const auto before = system_clock().instant();
  const auto late = log_->read({.query = query, .call = {.deadline = before + 5ms}}).collect();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded) << to_string(late.error());
  EXPECT_LT(system_clock().instant() - before, 2s);
  std::stop_source stop;
  auto stream = log_->read({.query = query, .call = {.stop = stop.get_token()}});
  std::jthread cancels([&] { stop.request_stop(); });
  const auto cancelled = stream.collect();
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Code::cancelled) << to_string(cancelled.error());
  const auto expired = log_->append({.events = {{.type = "Late", .data = "{}"}},
                                     .call = {.deadline = system_clock().instant() - 1s}});
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, Code::deadline_exceeded);
  EXPECT_EQ(log_->head()->value, 60'000u);
}

}  // namespace
}  // namespace weir::system_tests
