#include <grpcpp/grpcpp.h>
#include <umadb/v1/umadb.grpc.pb.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include <apps/weir/bench_api.hpp>
#include <weir/rpc/client_call.hpp>
#include <weir/rpc/start.hpp>

namespace weir::bench {
namespace {

using umadb::v1::DCB;
using Channel = std::shared_ptr<grpc::Channel>;

constexpr std::size_t clients_per_connection = 4;
constexpr std::chrono::seconds connect_timeout{5};

void to_proto(const Query& query, umadb::v1::Query& out) {
  for (const auto& item : query.items) {
    auto& to = *out.add_items();
    for (const auto& type : item.types) to.add_types(type);
    for (const auto& tag : item.tags) to.add_tags(tag);
  }
}

void to_proto(AppendRequest& request, umadb::v1::AppendRequest& out) {
  for (auto& event : request.events) {
    auto& to = *out.add_events();
    to.set_event_type(std::move(event.type));
    for (auto& tag : event.tags) to.add_tags(std::move(tag));
    to.set_data(std::move(event.data));
  }
  if (!request.condition) return;
  auto& condition = *out.mutable_condition();
  to_proto(request.condition->fail_if_events_match, *condition.mutable_fail_if_events_match());
  if (request.condition->after) condition.set_after(request.condition->after->value);
}

Error from_status(const grpc::Status& status) {
  const auto integrity = status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
  return {.code = integrity ? Code::aborted : static_cast<Code>(status.error_code()),
          .reason = integrity ? Reason::condition_failed : Reason::unspecified,
          .message = status.error_message()};
}

struct AppendCall {
  grpc::ClientContext context;
  umadb::v1::AppendRequest request;
  umadb::v1::AppendResponse response;
  Done<Position> done;
};

/// One read of a boundary; deletes itself at its end.
class BoundaryReader final
    : public rpc::ClientStream<umadb::v1::ReadRequest, umadb::v1::ReadResponse> {
 public:
  BoundaryReader(const Channel& channel, const Query& query, Position after, Done<Boundary> done)
      : done_(std::move(done)) {
    to_proto(query, *request_.mutable_query());
    request_.set_start(after.next().value);
    StartCall(channel, "/umadb.v1.DCB/Read", rpc::client_poller());
    StartRequest(&request_, &response_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    for (const auto& event : response_.events()) {
      if (!event.event().data().empty()) {
        boundary_.positions.push_back(Position(event.position()));
      }
    }
    if (response_.has_head()) boundary_.head = Position(response_.head());
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    auto done = std::move(done_);
    auto boundary = std::move(boundary_);
    delete this;
    if (status.ok()) return done(std::move(boundary));
    done(from_status(status));
  }

  umadb::v1::ReadRequest request_;
  umadb::v1::ReadResponse response_;
  Boundary boundary_;
  Done<Boundary> done_;
};

class UmadbListener final
    : public Listener,
      private rpc::ClientStream<umadb::v1::SubscribeRequest, umadb::v1::SubscribeResponse> {
 public:
  UmadbListener(const Channel& channel, Position after, OnPosition on_position)
      : on_position_(std::move(on_position)) {
    request_.set_after(after.value);
    StartCall(channel, "/umadb.v1.DCB/Subscribe", rpc::client_poller());
    StartRequest(&request_, &response_);
  }

  ~UmadbListener() override {
    context().TryCancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return done_; });
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (response_.events_size() > 0) {
      on_position_(Position(response_.events(response_.events_size() - 1).position()));
    }
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    if (status.error_code() != grpc::StatusCode::CANCELLED) {
      on_position_(status.ok() ? unavailable("the subscription has ended") : from_status(status));
    }
    const std::lock_guard lock(mutex_);
    done_ = true;
    ended_.notify_all();
  }

  umadb::v1::SubscribeRequest request_;
  umadb::v1::SubscribeResponse response_;
  OnPosition on_position_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
};

class UmadbApi final : public Api {
 public:
  struct Connection {
    explicit Connection(Channel to) : channel(std::move(to)), stub(channel) {}
    Channel channel;
    DCB::Stub stub;
  };
  explicit UmadbApi(std::vector<std::unique_ptr<Connection>> connections)
      : connections_(std::move(connections)) {}

  Result<Position> head() override {
    grpc::ClientContext context;
    umadb::v1::HeadResponse response;
    const auto status = connection(0).stub.Head(&context, {}, &response);
    if (!status.ok()) return from_status(status);
    return Position(response.position());
  }

  void append(std::size_t client, AppendRequest request, Done<Position> done) override {
    auto* call =
        new AppendCall{.context = {}, .request = {}, .response = {}, .done = std::move(done)};
    to_proto(request, call->request);
    rpc::start_unary(connection(client).channel, "/umadb.v1.DCB/Append", call->context,
                     call->request, call->response, rpc::client_poller(),
                     [call](const grpc::Status& status) {
                       const std::unique_ptr<AppendCall> owned(call);
                       if (!status.ok()) return owned->done(from_status(status));
                       owned->done(Position(owned->response.position()));
                     });
  }

  Result<Position> append(std::size_t client, AppendRequest request) override {
    grpc::ClientContext context;
    umadb::v1::AppendRequest message;
    umadb::v1::AppendResponse response;
    to_proto(request, message);
    const auto status = connection(client).stub.Append(&context, message, &response);
    if (!status.ok()) return from_status(status);
    return Position(response.position());
  }

  void read_boundary(std::size_t client, const Query& query, Position after,
                     Done<Boundary> done) override {
    new BoundaryReader(connection(client).channel, query, after, std::move(done));  // owns itself
  }

  Result<void> read_all(std::size_t client, std::size_t batch,
                        const std::function<bool(std::size_t)>& on_batch) override {
    grpc::ClientContext context;
    umadb::v1::ReadRequest request;
    request.set_batch_size(static_cast<std::uint32_t>(batch));
    const auto reader = connection(client).stub.Read(&context, request);
    umadb::v1::ReadResponse response;
    while (reader->Read(&response)) {
      std::size_t events = 0;
      for (const auto& event : response.events()) events += event.event().data().empty() ? 0 : 1;
      if (!on_batch(events)) {
        context.TryCancel();
        while (reader->Read(&response)) {
        }
        if (const auto ended = reader->Finish();
            ended.ok() || ended.error_code() == grpc::StatusCode::CANCELLED) {
          return {};
        } else {
          return from_status(ended);
        }
      }
    }
    const auto status = reader->Finish();
    if (!status.ok()) return from_status(status);
    return {};
  }

  Result<std::unique_ptr<Listener>> listen(std::size_t client, Position after,
                                           OnPosition on_position) override {
    return std::unique_ptr<Listener>(
        std::make_unique<UmadbListener>(connection(client).channel, after, std::move(on_position)));
  }

 private:
  Connection& connection(std::size_t client) {
    return *connections_[client / clients_per_connection % connections_.size()];
  }

  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace

Result<std::unique_ptr<Api>> make_umadb_api(const std::string& target, std::size_t clients) {
  constexpr std::size_t connections_max = 64;
  const auto connections = std::clamp<std::size_t>(
      (clients + clients_per_connection - 1) / clients_per_connection, 1, connections_max);
  rpc::start_grpc();
  std::vector<std::unique_ptr<UmadbApi::Connection>> made;
  for (std::size_t i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // What goes wrong is to be seen.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetMaxReceiveMessageSize(-1);
    auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + connect_timeout)) {
      return unavailable(fmt::format("no server answers at {}", target));
    }
    made.push_back(std::make_unique<UmadbApi::Connection>(std::move(channel)));
  }
  return std::unique_ptr<Api>(std::make_unique<UmadbApi>(std::move(made)));
}

}  // namespace weir::bench
