#include <weir/server/event_log_service.hpp>

#include <weir/server/session.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

using security::Right;
using Log = Result<std::shared_ptr<EventStore>>;

template <class Message>
Result<Message> parse(const grpc::ByteBuffer& buffer) {
  Message message;
  grpc::ByteBuffer copy(buffer);
  const auto status = grpc::SerializationTraits<Message>::Deserialize(&copy, &message);
  if (!status.ok()) return invalid_field("request", "is not a message of this method");
  return message;
}

}  // namespace

grpc::ServerUnaryReactor* EventLogService::Append(Context* context,
                                                  const v1::AppendRequest* request,
                                                  v1::AppendResponse* response) {
  const auto call = start("weir.v1.EventLog/Append", *context, *request);
  if (const auto why = refusal(*call, *context, {Right::append, request->log()})) {
    return call->finish(*why), call.get();
  }
  // The message is this call's own until it is finished: its texts are taken, not copied.
  auto taken = remote::take_append(*const_cast<v1::AppendRequest*>(request));
  if (!taken) return call->finish(taken.error()), call.get();
  taken->call = call->options();
  taken->limits = logs_.limits();
  stamp(*taken, taken->call.context);
  auto shared = std::make_shared<AppendRequest>(std::move(taken).value());
  logs_.find(request->log(), [call, shared, response](Log log) {
    if (!log) return call->finish(log.error());
    (*log)->append(std::move(*shared), [call, response](Result<Appended> appended) {
      if (!appended) return call->finish(appended.error());
      remote::to_proto(*appended, *response);
      call->finish({});
    });
  });
  return call.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* EventLogService::Read(Context* context,
                                                                  const grpc::ByteBuffer* request) {
  const auto stream = FeedStream::start(reports_.begin("weir.v1.EventLog/Read", *context));
  if (!stream->admit(*context, admission_, request->Length())) return stream.get();
  const auto message = parse<v1::ReadRequest>(*request);
  const auto caller = access_.caller(*context);
  const auto may = caller.may(Right::read, message ? message->log() : std::string());
  if (!may) return stream->fail(may.error()), stream.get();
  auto read = message ? remote::from_proto(*message) : Result<ReadRequest>(message.error());
  if (!read) return stream->fail(read.error()), stream.get();
  read->call = stream->options(*context);
  read->limits = logs_.limits();
  auto shared = std::make_shared<ReadRequest>(std::move(read).value());
  stream->end_when(caller.ended(), remote::to_status(token_ended()));
  logs_.find(message->log(), [stream, shared](Log log) {
    if (!log) return stream->fail(log.error());
    stream->feed(make_read_feed(*log, std::move(*shared)));
  });
  return stream.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* EventLogService::Subscribe(
    Context* context, const grpc::ByteBuffer* request) {
  const auto stream = FeedStream::start(reports_.begin("weir.v1.EventLog/Subscribe", *context));
  if (!stream->admit(*context, admission_, request->Length())) return stream.get();
  const auto message = parse<v1::SubscribeRequest>(*request);
  const auto caller = access_.caller(*context);
  const auto may = caller.may(Right::read, message ? message->log() : std::string());
  if (!may) return stream->fail(may.error()), stream.get();
  auto subscribe =
      message ? remote::from_proto(*message) : Result<SubscribeRequest>(message.error());
  if (!subscribe) return stream->fail(subscribe.error()), stream.get();
  subscribe->call = stream->options(*context);
  subscribe->limits = logs_.limits();
  auto shared = std::make_shared<SubscribeRequest>(std::move(subscribe).value());
  stream->end_when(caller.ended(), remote::to_status(token_ended()));
  const bool from_head = message->from_head() && !message->has_after();
  logs_.find(message->log(), [this, stream, shared, from_head](Log log) {
    if (!log) return stream->fail(log.error());
    const auto begin = [this, stream, shared, log = *log](Result<Position> after) {
      if (!after) return stream->fail(after.error());
      shared->after = *after;
      auto subscription = log->subscribe(std::move(*shared));
      if (!subscription) return stream->fail(subscription.error());
      stream->end_when(logs_.draining(), remote::to_status(shutting_down()));
      stream->feed(
          make_subscription_feed(log, std::move(subscription).value(), readers_, streams_));
    };
    if (from_head) return (*log)->head(shared->call, begin);
    begin(shared->after.value_or(Position()));
  });
  return stream.get();
}

UnaryCall::Pointer EventLogService::start(std::string_view method, const Context& context,
                                          const google::protobuf::Message& request) {
  return UnaryCall::start(context, reports_.begin(method, context), admission_,
                          [&request] { return request.ByteSizeLong(); });
}

std::optional<Error> EventLogService::refusal(const UnaryCall& call, const Context& context,
                                              Needed needed) const {
  if (call.refused()) return *call.refused();
  const auto may = access_.caller(context).may(needed.right, needed.log);
  if (!may) return may.error();
  return std::nullopt;
}

template <class Work>
grpc::ServerUnaryReactor* EventLogService::blocking(std::string_view method, Context* context,
                                                    const google::protobuf::Message& request,
                                                    Needed needed, Work work) {
  const auto call = start(method, *context, request);
  if (const auto why = refusal(*call, *context, needed)) {
    return call->finish(*why), call.get();
  }
  return blocking(call, needed.log, std::move(work));
}

template <class Work>
grpc::ServerUnaryReactor* EventLogService::blocking(const UnaryCall::Pointer& call,
                                                    const std::string& log, Work work) {
  logs_.find(log, [this, call, work = std::move(work)](Log found) {
    if (!found) return call->finish(found.error());
    auto options = call->options();
    options.limits = logs_.limits();
    logs_.run([call, work, options = std::move(options),
               store = *found] { call->finish(work(*store, options)); },
              [call](const Error& error) { call->finish(error); });
  });
  return call.get();
}

grpc::ServerUnaryReactor* EventLogService::GetLog(Context* context,
                                                  const v1::GetLogRequest* request,
                                                  v1::Log* response) {
  return blocking("weir.v1.EventLog/GetLog", context, *request, {Right::read, request->log()},
                  [response](EventStore& log, CallOptions call) -> Result<void> {
                    WEIR_TRY_ASSIGN(head, log.head(call));
                    auto info = log.info();
                    info.head = head;
                    remote::to_proto(info, *response);
                    return {};
                  });
}

grpc::ServerUnaryReactor* EventLogService::Head(Context* context, const v1::HeadRequest* request,
                                                v1::HeadResponse* response) {
  const auto call = start("weir.v1.EventLog/Head", *context, *request);
  if (const auto why = refusal(*call, *context, {Right::read, request->log()})) {
    return call->finish(*why), call.get();
  }
  logs_.find(request->log(), [call, response](Log log) {
    if (!log) return call->finish(log.error());
    (*log)->head(call->options(), [call, response](Result<Position> head) {
      if (!head) return call->finish(head.error());
      response->set_position(head->value);
      call->finish({});
    });
  });
  return call.get();
}

grpc::ServerUnaryReactor* EventLogService::ListLogs(Context* context,
                                                    const v1::ListLogsRequest* request,
                                                    v1::ListLogsResponse* response) {
  const auto call = start("weir.v1.EventLog/ListLogs", *context, *request);
  if (const auto& refused = call->refused()) return call->finish(*refused), call.get();
  const auto caller = access_.caller(*context);
  if (const auto known = caller.known(); !known) return call->finish(known.error()), call.get();
  return blocking(call, "",
                  [this, caller, response](EventStore&, CallOptions options) -> Result<void> {
                    WEIR_TRY_ASSIGN(logs, logs_.catalog().list(options));
                    for (const auto& log : logs) {
                      if (caller.sees(log.name)) remote::to_proto(log, *response->add_logs());
                    }
                    return {};
                  });
}

grpc::ServerUnaryReactor* EventLogService::CreateLog(Context* context,
                                                     const v1::CreateLogRequest* request,
                                                     v1::Log* response) {
  LogOptions options{
      .indexed_keys = {request->indexed_keys().begin(), request->indexed_keys().end()}};
  const auto call = start("weir.v1.EventLog/CreateLog", *context, *request);
  if (const auto why = refusal(*call, *context, {Right::admin, request->name()})) {
    return call->finish(*why), call.get();
  }
  return blocking(call, "",
                  [this, name = request->name(), options, response](
                      EventStore&, CallOptions how) -> Result<void> {
                    WEIR_TRY_ASSIGN(info, logs_.catalog().create(name, options, how));
                    remote::to_proto(info, *response);
                    return {};
                  });
}

grpc::ServerUnaryReactor* EventLogService::SaveSnapshot(Context* context,
                                                        const v1::SaveSnapshotRequest* request,
                                                        v1::SaveSnapshotResponse* response) {
  return blocking(
      "weir.v1.EventLog/SaveSnapshot", context, *request, {Right::append, request->log()},
      [request, response](EventStore& log, CallOptions call) -> Result<void> {
        WEIR_TRY_ASSIGN(saved, log.save_snapshot({.key = {.projection = request->projection(),
                                                          .query_hash = request->query_hash()},
                                                  .position = Position(request->position()),
                                                  .data = request->data(),
                                                  .saved_at = {}},
                                                 call));
        response->set_saved(saved);
        return {};
      });
}

grpc::ServerUnaryReactor* EventLogService::LoadSnapshot(Context* context,
                                                        const v1::LoadSnapshotRequest* request,
                                                        v1::Snapshot* response) {
  return blocking(
      "weir.v1.EventLog/LoadSnapshot", context, *request, {Right::read, request->log()},
      [request, response](EventStore& log, CallOptions call) -> Result<void> {
        WEIR_TRY_ASSIGN(snapshot, log.load_snapshot({.projection = request->projection(),
                                                     .query_hash = request->query_hash()},
                                                    call));
        if (!snapshot) {
          return Error{.code = Code::not_found,
                       .reason = Reason::snapshot_not_found,
                       .message = "no snapshot of projection '" + request->projection() +
                                  "' for query hash '" + request->query_hash() + "'"};
        }
        response->set_projection(snapshot->key.projection);
        response->set_query_hash(snapshot->key.query_hash);
        response->set_position(snapshot->position.value);
        response->set_data(std::move(snapshot->data));
        *response->mutable_saved_at() = remote::to_proto(snapshot->saved_at);
        return {};
      });
}

grpc::ServerUnaryReactor* EventLogService::DeleteSnapshot(Context* context,
                                                          const v1::DeleteSnapshotRequest* request,
                                                          v1::DeleteSnapshotResponse*) {
  return blocking(
      "weir.v1.EventLog/DeleteSnapshot", context, *request, {Right::append, request->log()},
      [request](EventStore& log, CallOptions call) -> Result<void> {
        return log.delete_snapshot(
            {.projection = request->projection(), .query_hash = request->query_hash()}, call);
      });
}

grpc::ServerUnaryReactor* EventLogService::GetTracking(Context* context,
                                                       const v1::GetTrackingRequest* request,
                                                       v1::GetTrackingResponse* response) {
  return blocking("weir.v1.EventLog/GetTracking", context, *request, {Right::read, request->log()},
                  [request, response](EventStore& log, CallOptions call) -> Result<void> {
                    WEIR_TRY_ASSIGN(position, log.tracked(request->source(), call));
                    if (position) response->set_position(*position);
                    return {};
                  });
}

grpc::ServerBidiReactor<v1::SessionRequests, v1::SessionResponses>* EventLogService::Session(
    Context* context) {
  return SessionStream::start(logs_, reports_, access_.caller(*context), admission_, *context,
                              reports_.begin("weir.v1.EventLog/Session", *context));
}

}  // namespace weir::server
