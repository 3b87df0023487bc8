#include <weir/server/umadb_service.hpp>

#include <umadb/service.grpc.pb.h>
#include <umadb/v1/umadb.grpc.pb.h>

#include <algorithm>

#include <weir/base/excerpt.hpp>
#include <weir/server/call.hpp>
#include <weir/server/umadb_streams.hpp>
#include <weir/server/umadb_wire.hpp>

namespace weir::server {
namespace {

using Bytes = grpc::ByteBuffer;
using Stream = rpc::ServerWriter<Bytes>;
using security::Right;
using Log = Result<std::shared_ptr<EventStore>>;

/// A text of UTF-8, whatever came: what is no log's name goes into the error, and stays none.
std::string log_of(const rpc::ServerCall& call) {
  const auto& metadata = call.context().client_metadata();
  const auto found = metadata.find("weir-log");
  if (found == metadata.end()) return {};
  return excerpt({found->second.data(), found->second.size()}, 64);
}

void refuse(const UnaryCall::Pointer& call, const Error& error) {
  call->end(umadb::to_status(error));
}

/// A request by one of umadb_wire's parsers.
template <class Parse>
auto parsed_by(Parse parse, const Bytes& request) -> decltype(parse(std::string_view())) {
  WEIR_TRY_ASSIGN(message, umadb::flatten(request));
  return parse(umadb::view(message));
}

bool all_have_ids(const std::vector<Event>& events) {
  return !events.empty() &&
         std::all_of(events.begin(), events.end(), [](const Event& e) { return e.id.has_value(); });
}

/// What an append comes to that the log refused: a repeat of one that succeeded, or a conflict,
/// which comes before any other fault of the request. A repeat is one whose events are, by their
/// ids, the first that match after the position given.
Result<Position> settle(EventStore& log, const AppendRequest& request, const Error& refusal) {
  const auto& events = request.events;
  const bool named = all_have_ids(events);
  ReadRequest read{.query = request.condition->fail_if_events_match,
                   .after = request.condition->after.value_or(Position()),
                   .limit = named ? events.size() : 1,
                   .batch_events_max = std::clamp<std::size_t>(events.size(), 1, 10'000),
                   .call = request.call,
                   .limits = request.limits};
  std::optional<Position> conflict;
  std::size_t same = 0;
  while (true) {
    const auto step = log.read_step(read);
    // What is wrong with the condition's query the refusal says in the append's words.
    if (!step) return step.error().code == Code::invalid_argument ? refusal : step.error();
    for (const auto& event : step->batch) {
      if (!conflict) conflict = event.position();
      if (!named || event.id() != events[same].id) {
        return condition_failed(conflict->value);
      }
      if (++same == events.size()) return event.position();
    }
    if (step->end) break;
    move_past(*step, read);
    if (!read.until) read.until = step->head;
  }
  if (!conflict) return refusal;
  return condition_failed(conflict->value);
}

/// What both names of the service do.
class Calls {
 public:
  Calls(Logs& logs, Executor& readers, const CallReports& reports, const Access& access,
        Admission& admission, const std::string& service)
      : logs_(logs),
        readers_(readers),
        reports_(reports),
        access_(access),
        admission_(admission),
        methods_(service) {}

  void append(rpc::ServerCall& of, const Bytes& request, Bytes& response);
  void head(rpc::ServerCall& of, const Bytes& request, Bytes& response);
  void tracking(rpc::ServerCall& of, const Bytes& request, Bytes& response);
  void read(Stream& of, const Bytes& request);
  void subscribe(Stream& of, const Bytes& request);

 private:
  UnaryCall::Pointer start(const std::string& method, rpc::ServerCall& of, const Bytes& request) {
    return UnaryCall::start(of, reports_.begin(method, of.context()), admission_,
                            [&request] { return request.Length(); });
  }
  /// Why a call is turned away, by how many there are or by who makes it.
  std::optional<Error> refusal(const UnaryCall& call, const rpc::ServerCall& of,
                               Right needed) const {
    if (call.refused()) return *call.refused();
    const auto may = access_.caller(of.context()).may(needed, log_of(of), call.context());
    if (!may) return may.error();
    return std::nullopt;
  }
  void look_again(const UnaryCall::Pointer& call, std::shared_ptr<EventStore> log,
                  const Bytes& request, Bytes& response, Error refusal);

  struct Methods {
    explicit Methods(const std::string& service)
        : append(service + "/Append"),
          head(service + "/Head"),
          tracking(service + "/GetTrackingInfo"),
          read(service + "/Read"),
          subscribe(service + "/Subscribe") {}
    const std::string append, head, tracking, read, subscribe;
  };

  Logs& logs_;
  Executor& readers_;
  const CallReports& reports_;
  const Access& access_;
  Admission& admission_;
  const Methods methods_;
};

void Calls::append(rpc::ServerCall& of, const Bytes& request, Bytes& response) {
  const auto call = start(methods_.append, of, request);
  if (const auto why = refusal(*call, of, Right::append)) {
    return refuse(call, *why);
  }
  auto parsed = parsed_by(umadb::parse_append, request);
  if (!parsed) return refuse(call, parsed.error());
  const bool nothing = parsed->events.empty();
  if (nothing && !parsed->condition && !parsed->tracking) {
    response = umadb::position_response(0);
    return call->end(grpc::Status::OK);
  }
  parsed->call = call->options();
  logs_.find(log_of(of), [this, call, nothing, &request, &response,
                          append = std::move(*parsed)](Log log) mutable {
    if (!log) return refuse(call, log.error());
    auto& store = **log;
    store.append(std::move(append), [this, call, nothing, &request, &response,
                                     log = std::move(*log)](Result<Appended> appended) {
      if (!appended) return look_again(call, log, request, response, appended.error());
      response = umadb::position_response(nothing ? 0 : appended->last.value);
      call->end(grpc::Status::OK);
    });
  });
}

/// The request is read once more rather than kept by every append for the few that need it.
void Calls::look_again(const UnaryCall::Pointer& call, std::shared_ptr<EventStore> log,
                       const Bytes& request, Bytes& response, Error refusal) {
  const bool conflict = refusal.code == Code::aborted;
  if (!conflict && refusal.code != Code::invalid_argument) return refuse(call, refusal);
  auto parsed = parsed_by(umadb::parse_append, request);
  const bool look = parsed && parsed->condition && (!conflict || all_have_ids(parsed->events));
  if (!look) return refuse(call, refusal);
  parsed->call = call->options();
  logs_.run(
      [call, log = std::move(log), append = std::move(*parsed), &response,
       refusal = std::move(refusal)] {
        const auto settled = settle(*log, append, refusal);
        if (!settled) return refuse(call, settled.error());
        response = umadb::position_response(settled->value);
        call->end(grpc::Status::OK);
      },
      [call](const Error& error) { refuse(call, error); });
}

void Calls::head(rpc::ServerCall& of, const Bytes& request, Bytes& response) {
  const auto call = start(methods_.head, of, request);
  if (const auto why = refusal(*call, of, Right::read)) {
    return refuse(call, *why);
  }
  if (const auto parsed = parsed_by(umadb::parse_head, request); !parsed) {
    return refuse(call, parsed.error());
  }
  logs_.find(log_of(of), [call, &response](Log log) {
    if (!log) return refuse(call, log.error());
    (*log)->head(call->options(), [call, &response](Result<Position> head) {
      if (!head) return refuse(call, head.error());
      response =
          umadb::position_response(head->value == 0 ? std::nullopt : std::optional(head->value));
      call->end(grpc::Status::OK);
    });
  });
}

void Calls::tracking(rpc::ServerCall& of, const Bytes& request, Bytes& response) {
  const auto call = start(methods_.tracking, of, request);
  if (const auto why = refusal(*call, of, Right::read)) {
    return refuse(call, *why);
  }
  auto source = parsed_by(umadb::parse_tracking, request);
  if (!source) return refuse(call, source.error());
  // A source that can't be recorded isn't.
  if (!check_key(*source, umadb_limits(), "source")) {
    response = umadb::position_response(std::nullopt);
    return call->end(grpc::Status::OK);
  }
  logs_.find(log_of(of), [this, call, &response, source = std::move(*source)](Log log) {
    if (!log) return refuse(call, log.error());
    logs_.run(
        [call, &response, source, log = *log] {
          const auto tracked = log->tracked(source, call->options());
          if (!tracked) return refuse(call, tracked.error());
          response = umadb::position_response(*tracked);
          call->end(grpc::Status::OK);
        },
        [call](const Error& error) { refuse(call, error); });
  });
}

void Calls::read(Stream& of, const Bytes& request) {
  const auto stream =
      FeedStream::start(of, reports_.begin(methods_.read, of.context()), umadb::to_status);
  if (!stream->admit(admission_, request.Length())) return;
  const auto caller = access_.caller(of.context());
  const auto may = caller.may(Right::read, log_of(of), stream->context());
  if (!may) return stream->fail(may.error());
  auto parsed = parsed_by(umadb::parse_read, request);
  if (!parsed) return stream->fail(parsed.error());
  parsed->call = stream->options();
  stream->end_when(caller.ended(), umadb::to_status(token_ended()));
  logs_.find(log_of(of), [stream, read = std::move(*parsed)](Log log) mutable {
    if (!log) return stream->fail(log.error());
    stream->feed(umadb::make_read_feed(*log, std::move(read)));
  });
}

void Calls::subscribe(Stream& of, const Bytes& request) {
  const auto stream =
      FeedStream::start(of, reports_.begin(methods_.subscribe, of.context()), umadb::to_status);
  if (!stream->admit(admission_, request.Length())) return;
  const auto caller = access_.caller(of.context());
  const auto may = caller.may(Right::read, log_of(of), stream->context());
  if (!may) return stream->fail(may.error());
  auto parsed = parsed_by(umadb::parse_subscribe, request);
  if (!parsed) return stream->fail(parsed.error());
  if (!*parsed) return stream->end_at_once();
  (*parsed)->call = stream->options();
  stream->end_when(caller.ended(), umadb::to_status(token_ended()));
  logs_.find(log_of(of), [this, stream, subscribe = std::move(**parsed)](Log log) mutable {
    if (stream->ended()) return;
    if (!log) return stream->fail(log.error());
    const auto batch_events_max = subscribe.batch_events_max;
    auto subscription = (*log)->subscribe(std::move(subscribe));
    if (!subscription) return stream->fail(subscription.error());
    // Their clients' subscribe() returns when it hears from the server, and there may be no event.
    stream->open();
    stream->end_when(logs_.draining(), grpc::Status::OK);
    stream->feed(umadb::make_subscription_feed(*log, std::move(subscription).value(),
                                               batch_events_max, readers_));
  });
}

/// One generated service, its methods taking and giving messages as bytes.
template <class Generated>
class Served final : public rpc::Service {
 public:
  Served(Logs& logs, Executor& readers, const CallReports& reports, const Access& access,
         Admission& admission)
      : calls_(logs, readers, reports, access, admission, Generated::service_full_name()) {
    const auto add = [this](auto take, auto handle) {
      methods_.push_back(rpc::method(api_, take, std::move(handle)));
    };
    add(&Api::RequestRead, [this](auto& call, auto& request) { calls_.read(call, request); });
    add(&Api::RequestSubscribe,
        [this](auto& call, auto& request) { calls_.subscribe(call, request); });
    add(&Api::RequestAppend, [this](auto& call, auto& request, auto& response) {
      calls_.append(call, request, response);
    });
    add(&Api::RequestHead, [this](auto& call, auto& request, auto& response) {
      calls_.head(call, request, response);
    });
    add(&Api::RequestGetTrackingInfo, [this](auto& call, auto& request, auto& response) {
      calls_.tracking(call, request, response);
    });
  }

  grpc::Service& api() override { return api_; }

 private:
  using Api = typename Generated::template WithRawMethod_Read<
      typename Generated::template WithRawMethod_Subscribe<
          typename Generated::template WithRawMethod_Append<
              typename Generated::template WithRawMethod_Head<
                  typename Generated::template WithRawMethod_GetTrackingInfo<
                      typename Generated::Service>>>>>;

  Api api_;
  Calls calls_;
};

}  // namespace

std::vector<std::unique_ptr<rpc::Service>> make_umadb_services(Logs& logs, Executor& readers,
                                                               const CallReports& reports,
                                                               const Access& access,
                                                               Admission& admission) {
  std::vector<std::unique_ptr<rpc::Service>> services;
  services.push_back(
      std::make_unique<Served<::umadb::v1::DCB>>(logs, readers, reports, access, admission));
  services.push_back(
      std::make_unique<Served<::umadb::UmaDBService>>(logs, readers, reports, access, admission));
  return services;
}

}  // namespace weir::server
