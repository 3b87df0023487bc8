#include <weir/server/event_log_service.hpp>

#include <weir/server/session.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

using security::Right;
using Log = Result<std::shared_ptr<EventStore>>;

}  // namespace

EventLogService::EventLogService(Logs& logs, Executor& readers, const CallReports& reports,
                                 const Access& access, Admission& admission, StreamOptions streams)
    : logs_(logs),
      readers_(readers),
      reports_(reports),
      access_(access),
      admission_(admission),
      streams_(streams) {
  const auto add = [this](auto take, auto handle) {
    methods_.push_back(rpc::method(api_, take, std::move(handle)));
  };
  add(&Api::RequestAppend,
      [this](auto& call, auto& request, auto& response) { append(call, request, response); });
  add(&Api::RequestRead, [this](auto& call, auto& request) { read(call, request); });
  add(&Api::RequestSubscribe, [this](auto& call, auto& request) { subscribe(call, request); });
  add(&Api::RequestGetLog,
      [this](auto& call, auto& request, auto& response) { get_log(call, request, response); });
  add(&Api::RequestHead,
      [this](auto& call, auto& request, auto& response) { head(call, request, response); });
  add(&Api::RequestListLogs,
      [this](auto& call, auto&, auto& response) { list_logs(call, response); });
  add(&Api::RequestCreateLog,
      [this](auto& call, auto& request, auto& response) { create_log(call, request, response); });
  add(&Api::RequestSaveSnapshot, [this](auto& call, auto& request, auto& response) {
    save_snapshot(call, request, response);
  });
  add(&Api::RequestLoadSnapshot, [this](auto& call, auto& request, auto& response) {
    load_snapshot(call, request, response);
  });
  add(&Api::RequestDeleteSnapshot,
      [this](auto& call, auto& request, auto&) { delete_snapshot(call, request); });
  add(&Api::RequestGetTracking,
      [this](auto& call, auto& request, auto& response) { get_tracking(call, request, response); });
  add(&Api::RequestSession, [this](auto& call) {
    SessionStream::start(call, logs_, reports_, access_.caller(call.context()), admission_,
                         reports_.begin("weir.v1.EventLog/Session", call.context()));
  });
}

void EventLogService::append(Call& of, v1::AppendRequest& request, v1::AppendResponse& response) {
  const auto call = start("weir.v1.EventLog/Append", of, request);
  if (const auto why = refusal(*call, of, {Right::append, request.log()})) {
    return call->finish(*why);
  }
  // The message is this call's own until it is finished: its texts are taken, not copied.
  auto taken = remote::take_append(request);
  if (!taken) return call->finish(taken.error());
  taken->call = call->options();
  taken->limits = logs_.limits();
  stamp(*taken, taken->call.context);
  auto shared = std::make_shared<AppendRequest>(std::move(taken).value());
  logs_.find(request.log(), [call, shared, &response](Log log) {
    if (!log) return call->finish(log.error());
    (*log)->append(std::move(*shared), [call, &response](Result<Appended> appended) {
      if (!appended) return call->finish(appended.error());
      remote::to_proto(*appended, response);
      call->finish({});
    });
  });
}

void EventLogService::read(Stream& of, const grpc::ByteBuffer& request) {
  const auto stream = FeedStream::start(of, reports_.begin("weir.v1.EventLog/Read", of.context()));
  if (!stream->admit(admission_, request.Length())) return;
  const auto message = parse_message<v1::ReadRequest>(request);
  const auto caller = access_.caller(of.context());
  const auto may =
      caller.may(Right::read, message ? message->log() : std::string(), stream->context());
  if (!may) return stream->fail(may.error());
  auto read = message ? remote::from_proto(*message) : Result<ReadRequest>(message.error());
  if (!read) return stream->fail(read.error());
  // The feed begins with smaller batches, so that the log would not see what was asked for.
  const auto batch = check(ReadRequest{.batch_events_max = read->batch_events_max}, Limits{});
  if (!batch) return stream->fail(batch.error());
  read->call = stream->options();
  read->limits = logs_.limits();
  auto shared = std::make_shared<ReadRequest>(std::move(read).value());
  stream->end_when(caller.ended(), remote::to_status(token_ended()));
  logs_.find(message->log(), [stream, shared](Log log) {
    if (!log) return stream->fail(log.error());
    stream->feed(make_read_feed(*log, std::move(*shared)));
  });
}

void EventLogService::subscribe(Stream& of, const grpc::ByteBuffer& request) {
  const auto stream =
      FeedStream::start(of, reports_.begin("weir.v1.EventLog/Subscribe", of.context()));
  if (!stream->admit(admission_, request.Length())) return;
  const auto message = parse_message<v1::SubscribeRequest>(request);
  const auto caller = access_.caller(of.context());
  const auto may =
      caller.may(Right::read, message ? message->log() : std::string(), stream->context());
  if (!may) return stream->fail(may.error());
  auto subscribe =
      message ? remote::from_proto(*message) : Result<SubscribeRequest>(message.error());
  if (!subscribe) return stream->fail(subscribe.error());
  subscribe->call = stream->options();
  subscribe->limits = logs_.limits();
  subscribe->batch_bytes_max = stream_batch_bytes;
  auto shared = std::make_shared<SubscribeRequest>(std::move(subscribe).value());
  stream->end_when(caller.ended(), remote::to_status(token_ended()));
  const bool from_head = message->from_head() && !message->has_after();
  // Where the log is asked for its head nobody waits for the answer once the stream has ended, so
  // that nothing of this service may be used there.
  logs_.find(message->log(), [stream, shared, from_head, draining = logs_.draining(),
                              &readers = readers_, streams = streams_](Log log) {
    if (!log) return stream->fail(log.error());
    const auto begin = [stream, shared, draining, &readers, streams,
                        log = *log](Result<Position> after) {
      if (stream->ended()) return;
      if (!after) return stream->fail(after.error());
      shared->after = *after;
      auto subscription = log->subscribe(std::move(*shared));
      if (!subscription) return stream->fail(subscription.error());
      auto feed = make_subscription_feed(log, std::move(subscription).value(), readers, streams);
      stream->end_when(draining, remote::to_status(shutting_down()));
      stream->feed(std::move(feed));
    };
    if (from_head) return (*log)->head(shared->call, begin);
    begin(shared->after.value_or(Position()));
  });
}

UnaryCall::Pointer EventLogService::start(std::string_view method, Call& call,
                                          const google::protobuf::Message& request) {
  return UnaryCall::start(call, reports_.begin(method, call.context()), admission_,
                          [&request] { return request.ByteSizeLong(); });
}

std::optional<Error> EventLogService::refusal(const UnaryCall& begun, const Call& call,
                                              Needed needed) const {
  if (begun.refused()) return *begun.refused();
  const auto may = access_.caller(call.context()).may(needed.right, needed.log, begun.context());
  if (!may) return may.error();
  return std::nullopt;
}

template <class Work>
void EventLogService::blocking(std::string_view method, Call& of,
                               const google::protobuf::Message& request, Needed needed, Work work) {
  const auto call = start(method, of, request);
  if (const auto why = refusal(*call, of, needed)) {
    return call->finish(*why);
  }
  return blocking(call, needed.log, std::move(work));
}

template <class Work>
void EventLogService::blocking(const UnaryCall::Pointer& call, const std::string& log, Work work) {
  logs_.find(log, [this, call, work = std::move(work)](Log found) {
    if (!found) return call->finish(found.error());
    auto options = call->options();
    options.limits = logs_.limits();
    logs_.run([call, work, options = std::move(options),
               store = *found] { call->finish(work(*store, options)); },
              [call](const Error& error) { call->finish(error); });
  });
}

void EventLogService::get_log(Call& of, const v1::GetLogRequest& request, v1::Log& response) {
  return blocking("weir.v1.EventLog/GetLog", of, request, {Right::read, request.log()},
                  [this, &response](EventStore& log, CallOptions call) -> Result<void> {
                    WEIR_TRY_ASSIGN(head, log.head(call));
                    auto info = log.info();
                    info.head = head;
                    remote::to_proto(info, response);
                    const auto* replaced = logs_.limits();
                    remote::to_proto(replaced != nullptr ? *replaced : info.limits, response);
                    return {};
                  });
}

void EventLogService::head(Call& of, const v1::HeadRequest& request, v1::HeadResponse& response) {
  const auto call = start("weir.v1.EventLog/Head", of, request);
  if (const auto why = refusal(*call, of, {Right::read, request.log()})) {
    return call->finish(*why);
  }
  logs_.find(request.log(), [call, &response](Log log) {
    if (!log) return call->finish(log.error());
    (*log)->head(call->options(), [call, &response](Result<Position> head) {
      if (!head) return call->finish(head.error());
      response.set_position(head->value);
      call->finish({});
    });
  });
}

void EventLogService::list_logs(Call& of, v1::ListLogsResponse& response) {
  const auto call = start("weir.v1.EventLog/ListLogs", of, v1::ListLogsRequest::default_instance());
  if (const auto& refused = call->refused()) return call->finish(*refused);
  const auto caller = access_.caller(of.context());
  if (const auto known = caller.known(call->context()); !known) return call->finish(known.error());
  return blocking(call, "",
                  [this, caller, &response](EventStore&, CallOptions options) -> Result<void> {
                    WEIR_TRY_ASSIGN(logs, logs_.catalog().list(options));
                    for (const auto& log : logs) {
                      if (caller.sees(log.name)) remote::to_proto(log, *response.add_logs());
                    }
                    return {};
                  });
}

void EventLogService::create_log(Call& of, const v1::CreateLogRequest& request, v1::Log& response) {
  LogOptions options{
      .indexed_keys = {request.indexed_keys().begin(), request.indexed_keys().end()}};
  const auto call = start("weir.v1.EventLog/CreateLog", of, request);
  if (const auto why = refusal(*call, of, {Right::admin, request.name()})) {
    return call->finish(*why);
  }
  if (const auto fine = check_log_name(request.name(), "name"); !fine) {
    return call->finish(fine.error());
  }
  return blocking(call, "",
                  [this, name = request.name(), options, &response](
                      EventStore&, CallOptions how) -> Result<void> {
                    WEIR_TRY_ASSIGN(info, logs_.catalog().create(name, options, how));
                    remote::to_proto(info, response);
                    return {};
                  });
}

void EventLogService::save_snapshot(Call& of, const v1::SaveSnapshotRequest& request,
                                    v1::SaveSnapshotResponse& response) {
  return blocking("weir.v1.EventLog/SaveSnapshot", of, request, {Right::append, request.log()},
                  [&request, &response](EventStore& log, CallOptions call) -> Result<void> {
                    WEIR_TRY_ASSIGN(saved,
                                    log.save_snapshot({.key = {.projection = request.projection(),
                                                               .query_hash = request.query_hash()},
                                                       .position = Position(request.position()),
                                                       .data = request.data(),
                                                       .saved_at = {}},
                                                      call));
                    response.set_saved(saved);
                    return {};
                  });
}

void EventLogService::load_snapshot(Call& of, const v1::LoadSnapshotRequest& request,
                                    v1::Snapshot& response) {
  return blocking("weir.v1.EventLog/LoadSnapshot", of, request, {Right::read, request.log()},
                  [&request, &response](EventStore& log, CallOptions call) -> Result<void> {
                    WEIR_TRY_ASSIGN(snapshot,
                                    log.load_snapshot({.projection = request.projection(),
                                                       .query_hash = request.query_hash()},
                                                      call));
                    if (!snapshot) {
                      return Error{.code = Code::not_found,
                                   .reason = Reason::snapshot_not_found,
                                   .message = "no snapshot of projection '" + request.projection() +
                                              "' for query hash '" + request.query_hash() + "'"};
                    }
                    response.set_projection(snapshot->key.projection);
                    response.set_query_hash(snapshot->key.query_hash);
                    response.set_position(snapshot->position.value);
                    response.set_data(std::move(snapshot->data));
                    *response.mutable_saved_at() = remote::to_proto(snapshot->saved_at);
                    return {};
                  });
}

void EventLogService::delete_snapshot(Call& of, const v1::DeleteSnapshotRequest& request) {
  return blocking("weir.v1.EventLog/DeleteSnapshot", of, request, {Right::append, request.log()},
                  [&request](EventStore& log, CallOptions call) -> Result<void> {
                    return log.delete_snapshot(
                        {.projection = request.projection(), .query_hash = request.query_hash()},
                        call);
                  });
}

void EventLogService::get_tracking(Call& of, const v1::GetTrackingRequest& request,
                                   v1::GetTrackingResponse& response) {
  return blocking("weir.v1.EventLog/GetTracking", of, request, {Right::read, request.log()},
                  [&request, &response](EventStore& log, CallOptions call) -> Result<void> {
                    WEIR_TRY_ASSIGN(position, log.tracked(request.source(), call));
                    if (position) response.set_position(*position);
                    return {};
                  });
}

}  // namespace weir::server
