#include <weir/server/umadb_service.hpp>

#include <umadb/service.grpc.pb.h>
#include <umadb/v1/umadb.grpc.pb.h>

#include <algorithm>

#include <weir/server/call.hpp>
#include <weir/server/umadb_streams.hpp>
#include <weir/server/umadb_wire.hpp>

namespace weir::server {
namespace {

using Context = grpc::CallbackServerContext;
using security::Right;
using Log = Result<std::shared_ptr<EventStore>>;

std::string log_of(const Context& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("weir-log");
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

void refuse(const UnaryCall::Pointer& call, const Error& error) {
  call->end(umadb::to_status(error));
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
    WEIR_TRY_ASSIGN(step, log.read_step(read));
    for (const auto& event : step.batch) {
      if (!conflict) conflict = event.position();
      if (!named || event.id() != events[same].id) {
        return condition_failed(conflict->value,
                                "event " + std::to_string(conflict->value) + " matches");
      }
      if (++same == events.size()) return event.position();
    }
    if (step.end) break;
    *read.limit -= step.batch.size();
    read.after = step.cursor;
    if (!read.until) read.until = step.head;
  }
  if (!conflict) return refusal;
  return condition_failed(conflict->value, "event " + std::to_string(conflict->value) + " matches");
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

  grpc::ServerUnaryReactor* append(Context& context, const grpc::ByteBuffer& request,
                                   grpc::ByteBuffer& response);
  grpc::ServerUnaryReactor* head(Context& context, grpc::ByteBuffer& response);
  grpc::ServerUnaryReactor* tracking(Context& context, const grpc::ByteBuffer& request,
                                     grpc::ByteBuffer& response);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* read(Context& context,
                                                   const grpc::ByteBuffer& request);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* subscribe(Context& context,
                                                        const grpc::ByteBuffer& request);

 private:
  UnaryCall::Pointer start(const std::string& method, const Context& context,
                           const grpc::ByteBuffer* request) {
    return UnaryCall::start(context, reports_.begin(method, context), admission_,
                            [=] { return request == nullptr ? 0 : request->Length(); });
  }
  /// Why a call is turned away, by how many there are or by who makes it.
  std::optional<Error> refusal(const UnaryCall& call, const Context& context, Right needed) const {
    if (call.refused()) return *call.refused();
    const auto may = access_.caller(context).may(needed, log_of(context), call.context());
    if (!may) return may.error();
    return std::nullopt;
  }
  void look_again(const UnaryCall::Pointer& call, std::shared_ptr<EventStore> log,
                  const grpc::ByteBuffer& request, grpc::ByteBuffer& response, Error refusal);

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

grpc::ServerUnaryReactor* Calls::append(Context& context, const grpc::ByteBuffer& request,
                                        grpc::ByteBuffer& response) {
  const auto call = start(methods_.append, context, &request);
  if (const auto why = refusal(*call, context, Right::append)) {
    return refuse(call, *why), call.get();
  }
  const auto message = umadb::flatten(request);
  if (!message) return refuse(call, message.error()), call.get();
  auto parsed = umadb::parse_append(umadb::view(*message));
  if (!parsed) return refuse(call, parsed.error()), call.get();
  const bool nothing = parsed->events.empty();
  if (nothing && !parsed->condition && !parsed->tracking) {
    response = umadb::position_response(0);
    call->end(grpc::Status::OK);
    return call.get();
  }
  parsed->call = call->options();
  logs_.find(log_of(context), [this, call, nothing, &request, &response,
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
  return call.get();
}

/// The request is read once more rather than kept by every append for the few that need it.
void Calls::look_again(const UnaryCall::Pointer& call, std::shared_ptr<EventStore> log,
                       const grpc::ByteBuffer& request, grpc::ByteBuffer& response, Error refusal) {
  const bool conflict = refusal.code == Code::aborted;
  if (!conflict && refusal.code != Code::invalid_argument) return refuse(call, refusal);
  const auto message = umadb::flatten(request);
  auto parsed =
      message ? umadb::parse_append(umadb::view(*message)) : Result<AppendRequest>(message.error());
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

grpc::ServerUnaryReactor* Calls::head(Context& context, grpc::ByteBuffer& response) {
  const auto call = start(methods_.head, context, nullptr);
  if (const auto why = refusal(*call, context, Right::read)) {
    return refuse(call, *why), call.get();
  }
  logs_.find(log_of(context), [call, &response](Log log) {
    if (!log) return refuse(call, log.error());
    (*log)->head(call->options(), [call, &response](Result<Position> head) {
      if (!head) return refuse(call, head.error());
      response =
          umadb::position_response(head->value == 0 ? std::nullopt : std::optional(head->value));
      call->end(grpc::Status::OK);
    });
  });
  return call.get();
}

grpc::ServerUnaryReactor* Calls::tracking(Context& context, const grpc::ByteBuffer& request,
                                          grpc::ByteBuffer& response) {
  const auto call = start(methods_.tracking, context, &request);
  if (const auto why = refusal(*call, context, Right::read)) {
    return refuse(call, *why), call.get();
  }
  const auto message = umadb::flatten(request);
  auto source =
      message ? umadb::parse_tracking(umadb::view(*message)) : Result<std::string>(message.error());
  if (!source) return refuse(call, source.error()), call.get();
  // A source that can't be recorded isn't.
  if (!check_key(*source, umadb_limits(), "source")) {
    response = umadb::position_response(std::nullopt);
    call->end(grpc::Status::OK);
    return call.get();
  }
  logs_.find(log_of(context), [this, call, &response, source = std::move(*source)](Log log) {
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
  return call.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Calls::read(Context& context,
                                                        const grpc::ByteBuffer& request) {
  const auto stream = FeedStream::start(reports_.begin(methods_.read, context), umadb::to_status);
  if (!stream->admit(context, admission_, request.Length())) return stream.get();
  const auto caller = access_.caller(context);
  const auto may = caller.may(Right::read, log_of(context), stream->context());
  if (!may) return stream->fail(may.error()), stream.get();
  const auto message = umadb::flatten(request);
  auto parsed =
      message ? umadb::parse_read(umadb::view(*message)) : Result<ReadRequest>(message.error());
  if (!parsed) return stream->fail(parsed.error()), stream.get();
  parsed->call = stream->options(context);
  stream->end_when(caller.ended(), umadb::to_status(token_ended()));
  logs_.find(log_of(context), [stream, read = std::move(*parsed)](Log log) mutable {
    if (!log) return stream->fail(log.error());
    stream->feed(umadb::make_read_feed(*log, std::move(read)));
  });
  return stream.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* Calls::subscribe(Context& context,
                                                             const grpc::ByteBuffer& request) {
  const auto stream =
      FeedStream::start(reports_.begin(methods_.subscribe, context), umadb::to_status);
  if (!stream->admit(context, admission_, request.Length())) return stream.get();
  const auto caller = access_.caller(context);
  const auto may = caller.may(Right::read, log_of(context), stream->context());
  if (!may) return stream->fail(may.error()), stream.get();
  const auto message = umadb::flatten(request);
  auto parsed = message ? umadb::parse_subscribe(umadb::view(*message))
                        : Result<std::optional<SubscribeRequest>>(message.error());
  if (!parsed) return stream->fail(parsed.error()), stream.get();
  if (!*parsed) return stream->end_at_once(), stream.get();
  (*parsed)->call = stream->options(context);
  stream->end_when(caller.ended(), umadb::to_status(token_ended()));
  logs_.find(log_of(context), [this, stream, subscribe = std::move(**parsed)](Log log) mutable {
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
  return stream.get();
}

/// One generated service, its methods taking and giving messages as bytes.
template <class Api>
using Raw = typename Api::template WithRawCallbackMethod_Read<
    typename Api::template WithRawCallbackMethod_Subscribe<
        typename Api::template WithRawCallbackMethod_Append<
            typename Api::template WithRawCallbackMethod_Head<
                typename Api::template WithRawCallbackMethod_GetTrackingInfo<
                    typename Api::Service>>>>>;

template <class Api>
class Served final : public Raw<Api> {
 public:
  Served(Logs& logs, Executor& readers, const CallReports& reports, const Access& access,
         Admission& admission)
      : calls_(logs, readers, reports, access, admission, Api::service_full_name()) {}

 private:
  using Bytes = grpc::ByteBuffer;
  using Unary = grpc::ServerUnaryReactor;
  using Stream = grpc::ServerWriteReactor<Bytes>;

  Stream* Read(Context* context, const Bytes* request) override {
    return calls_.read(*context, *request);
  }
  Stream* Subscribe(Context* context, const Bytes* request) override {
    return calls_.subscribe(*context, *request);
  }
  Unary* Append(Context* context, const Bytes* request, Bytes* response) override {
    return calls_.append(*context, *request, *response);
  }
  Unary* Head(Context* context, const Bytes*, Bytes* response) override {
    return calls_.head(*context, *response);
  }
  Unary* GetTrackingInfo(Context* context, const Bytes* request, Bytes* response) override {
    return calls_.tracking(*context, *request, *response);
  }

  Calls calls_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> make_umadb_services(Logs& logs, Executor& readers,
                                                                const CallReports& reports,
                                                                const Access& access,
                                                                Admission& admission) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(
      std::make_unique<Served<::umadb::v1::DCB>>(logs, readers, reports, access, admission));
  services.push_back(
      std::make_unique<Served<::umadb::UmaDBService>>(logs, readers, reports, access, admission));
  return services;
}

}  // namespace weir::server
