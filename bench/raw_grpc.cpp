#include <bench/raw_grpc.hpp>

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <weir/v1/log.grpc.pb.h>

#include <cstdio>

#include <fmt/format.h>

#include <apps/weir/bench_load.hpp>
#include <weir/rpc/client_call.hpp>

namespace weir::bench {
namespace {

/// Fills a message with events as Weir's batches have them.
void fill(v1::ReadResponse& response, std::uint64_t first, std::size_t count,
          const std::vector<Event>& pool) {
  response.Clear();
  for (auto position = first; position < first + count; ++position) {
    const auto& event = pool[position % pool.size()];
    auto& to = *response.add_events();
    to.set_position(position);
    to.set_type(event.type);
    for (const auto& tag : event.tags) to.add_tags(tag);
    to.set_data(event.data);
    to.set_id("0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11");
    to.mutable_occurred_at()->set_seconds(1'700'000'000);
    to.mutable_recorded_at()->set_seconds(1'700'000'000);
  }
}

class Writer final : public grpc::ServerWriteReactor<v1::ReadResponse> {
 public:
  Writer(std::uint64_t events, std::size_t batch, const std::vector<Event>& pool)
      : left_(events), batch_(batch), pool_(pool) {
    next();
  }

 private:
  void next() {
    if (left_ == 0) return Finish(grpc::Status::OK);
    const auto count = std::min<std::uint64_t>(left_, batch_);
    fill(response_, position_, count, pool_);
    position_ += count;
    left_ -= count;
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    next();
  }
  void OnDone() override { delete this; }

  v1::ReadResponse response_;
  std::uint64_t left_;
  std::uint64_t position_ = 1;
  const std::size_t batch_;
  const std::vector<Event>& pool_;
};

class Service final : public v1::EventLog::CallbackService {
 public:
  explicit Service(std::size_t batch) : batch_(batch), pool_(EventMaker({}, 0).next(4096)) {}

  grpc::ServerUnaryReactor* Append(grpc::CallbackServerContext* context, const v1::AppendRequest*,
                                   v1::AppendResponse* response) override {
    response->set_first_position(1);
    response->set_last_position(1);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerWriteReactor<v1::ReadResponse>* Read(grpc::CallbackServerContext*,
                                                   const v1::ReadRequest* request) override {
    return new Writer(request->limit(), batch_, pool_);  // owns itself
  }

 private:
  const std::size_t batch_;
  const std::vector<Event> pool_;
};

Error from_status(const grpc::Status& status) {
  return unavailable("raw gRPC: " + status.error_message());
}

}  // namespace

Result<void> serve_raw_grpc(std::size_t batch) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  Service service(batch);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) return unavailable("raw gRPC: no port");
  fmt::print("127.0.0.1:{}\n", port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  server->Shutdown(std::chrono::system_clock::now());
  return {};
}

struct RawGrpc::Parts {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::EventLog::Stub> stub;
  v1::AppendRequest request;
};

RawGrpc::RawGrpc(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RawGrpc::~RawGrpc() = default;

Result<std::unique_ptr<RawGrpc>> RawGrpc::connect(const std::string& target) {
  auto channel = grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5))) {
    return unavailable("raw gRPC: no server");
  }
  auto parts = std::make_unique<Parts>();
  parts->stub = v1::EventLog::NewStub(channel);
  parts->channel = std::move(channel);
  v1::ReadResponse events;
  fill(events, 1, 1, EventMaker({}, 0).next(1));
  *parts->request.add_events() = events.events(0);
  return std::unique_ptr<RawGrpc>(new RawGrpc(std::move(parts)));
}

Result<void> RawGrpc::call() {
  grpc::ClientContext context;
  v1::AppendResponse response;
  const auto status = parts_->stub->Append(&context, parts_->request, &response);
  if (!status.ok()) return from_status(status);
  return {};
}

void RawGrpc::call(Done<void> done) {
  struct Call {
    grpc::ClientContext context;
    v1::AppendResponse response;
    Done<void> done;
  };
  auto call = std::make_shared<Call>();
  call->done = std::move(done);
  rpc::start_unary(parts_->channel, "/weir.v1.EventLog/Append", call->context, parts_->request,
                   call->response, rpc::client_poller(), [call](const grpc::Status& status) {
                     if (!status.ok()) return call->done(from_status(status));
                     call->done(Result<void>());
                   });
}

Result<std::uint64_t> RawGrpc::stream(std::uint64_t events) {
  grpc::ClientContext context;
  v1::ReadRequest request;
  request.set_limit(events);
  const auto reader = parts_->stub->Read(&context, request);
  v1::ReadResponse response;
  std::uint64_t seen = 0;
  while (reader->Read(&response)) {
    for (const auto& event : response.events()) seen += event.data().empty() ? 0 : 1;
  }
  const auto status = reader->Finish();
  if (!status.ok()) return from_status(status);
  return seen;
}

}  // namespace weir::bench
