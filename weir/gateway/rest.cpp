#include <weir/gateway/rest.hpp>

#include <atomic>

#include <fmt/format.h>
#include <google/protobuf/arena.h>

#include <weir/gateway/errors.hpp>
#include <weir/gateway/json_reader.hpp>
#include <weir/gateway/json_writer.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;

/// A client is told that the stream stands even if there is no event for a while.
constexpr std::chrono::milliseconds begins_after{250};

const pb::Message& prototype_of(const pb::Descriptor* type) {
  return *pb::MessageFactory::generated_factory()->GetPrototype(type);
}

grpc::Status not_understood(const pb::Descriptor* type) {
  return to_status(internal_bug(fmt::format("the answer is no {}", type->full_name())));
}

void call_unary(const RestBinding& binding, Upstream& upstream, CallOptions options,
                const pb::Message& message, std::shared_ptr<Exchange> exchange) {
  if (!options.timeout) options.timeout = upstream.unary_timeout;
  const auto* type = binding.method->output_type();
  const auto call = UnaryCall::start(
      upstream.channel, *upstream.poller, options, to_buffer(message),
      [exchange, type](const grpc::Status& status, grpc::ByteBuffer& buffer, const Trailers&) {
        if (!status.ok()) return exchange->respond(error_response(status));
        pb::Arena arena;
        auto* answer = prototype_of(type).New(&arena);
        if (!parse_buffer(buffer, *answer)) {
          return exchange->respond(error_response(not_understood(type)));
        }
        HttpResponse response;
        response.headers.push_back({"Content-Type", "application/json"});
        write_json(*answer, response.body);
        exchange->respond(std::move(response));
      });
  exchange->on_ending([weak = std::weak_ptr(call)](Ending ending) {
    const auto alive = weak.lock();
    if (alive && ending == Ending::client_gone) alive->cancel();
  });
}

/// A server stream on its way to one client.
class RestStream : public std::enable_shared_from_this<RestStream> {
 public:
  RestStream(StreamFormat format, const RestBinding& binding, std::shared_ptr<Exchange> exchange)
      : writer_(format, binding.shape),
        format_(format),
        endless_(binding.shape.resume != nullptr),
        type_(binding.method->output_type()),
        exchange_(std::move(exchange)) {}

  void start(Upstream& upstream, CallOptions options, const pb::Message& message) {
    using Delay = std::optional<std::chrono::milliseconds>;
    const bool early = endless_ || format_ == StreamFormat::sse;
    exchange_->begin(writer_.head(), early ? Delay(begins_after) : Delay());
    auto self = shared_from_this();
    call_ = StreamCall::start(
        upstream.channel, *upstream.poller, options, to_buffer(message),
        {.on_message = [self](grpc::ByteBuffer& buffer) { self->on_message(buffer); },
         .on_done = [self](const grpc::Status& status,
                           const Trailers&) { self->on_done(status); }});
    exchange_->on_ending([weak = weak_from_this()](Ending ending) {
      if (const auto stream = weak.lock()) stream->on_ending(ending);
    });
    call_->next();
  }

 private:
  void on_message(grpc::ByteBuffer& buffer) {
    pb::Arena arena;
    auto* response = prototype_of(type_).New(&arena);
    if (!parse_buffer(buffer, *response)) {
      failure_ = not_understood(type_);
      return call_->cancel();
    }
    // The head goes out with the first response, even if that has no text.
    exchange_->write(writer_.message(*response), [call = call_] { call->next(); });
  }

  void on_done(const grpc::Status& status) {
    if (status.ok() && failure_.ok()) {
      if (auto text = writer_.end(); !text.empty()) exchange_->write(std::move(text), nullptr);
      return exchange_->end();
    }
    const auto told = stopping_ ? to_status(shutting_down()) : failure_.ok() ? status : failure_;
    const bool cut = format_ == StreamFormat::json;
    exchange_->fail(error_response(told),
                    cut ? std::nullopt : std::optional(writer_.failure(told)));
  }

  void on_ending(Ending ending) {
    if (ending == Ending::stopping) {
      if (!endless_) return;
      stopping_ = true;
    }
    call_->cancel();
  }

  StreamWriter writer_;
  const StreamFormat format_;
  const bool endless_;
  const pb::Descriptor* const type_;
  const std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<StreamCall> call_;
  grpc::Status failure_;
  std::atomic<bool> stopping_{false};
};

/// A reconnecting client has its place in Last-Event-ID and its old address in the URL.
Result<void> apply_last_event_id(const StreamShape& shape, const HttpRequest& request,
                                 pb::Message& message) {
  const auto id = request.header("Last-Event-ID");
  if (shape.resume == nullptr || id.empty()) return {};
  message.GetReflection()->ClearField(&message, shape.resume);
  const auto read = read_text(shape.resume->name(), id, message);
  if (read) return {};
  return invalid_field("Last-Event-ID", "it is not an id of this stream");
}

/// A browser's EventSource can't send headers, so that for streams of events the token may be in
/// the query (RFC 6750, 2.3): for nothing else, since addresses end up in histories and logs.
void take_query_token(HttpRequest& request) {
  constexpr std::string_view name = "access_token=";
  if (!request.header("Authorization").empty()) return;
  std::size_t at = 0;
  while (request.query.compare(at, name.size(), name) != 0) {
    at = request.query.find('&', at);
    if (at == std::string::npos) return;
    ++at;
  }
  const auto end = std::min(request.query.find('&', at), request.query.size());
  const auto from = at + name.size();
  request.headers.push_back({"Authorization", "Bearer " + request.query.substr(from, end - from)});
  // With one of the '&' around it.
  const auto begin = at > 0 ? at - 1 : at;
  request.query.erase(begin, (at > 0 ? end : std::min(end + 1, request.query.size())) - begin);
}

void handle(const RestBinding& binding, Upstream& upstream, HttpRequest request,
            const PathTemplate::Bindings& path, std::shared_ptr<Exchange> exchange) {
  const bool takes_body = binding.body != RestBinding::Body::none;
  if (const auto refused = takes_body ? request.not_json() : std::nullopt) {
    return exchange->respond(
        error_response(Error{.code = Code::invalid_argument, .message = *refused}, 415));
  }
  const bool streams = binding.method->server_streaming();
  const auto format =
      choose_format(request.header("Accept"),
                    binding.shape.resume != nullptr ? StreamFormat::sse : StreamFormat::json);
  if (streams && format == StreamFormat::sse && binding.http_method == "GET") {
    take_query_token(request);
  }
  pb::Arena arena;
  auto* message = prototype_of(binding.method->input_type()).New(&arena);
  auto read = read_rest_request(binding, request, path, *message);
  if (read) read = apply_last_event_id(binding.shape, request, *message);
  if (!read) return exchange->respond(error_response(read.error()));
  auto options = upstream.options_for(*binding.method, request);
  if (!options) return exchange->respond(error_response(options.error()));
  const auto timeout = timeout_of(request);
  if (!timeout) return exchange->respond(error_response(timeout.error()));
  options->timeout = *timeout;

  if (!streams) {
    return call_unary(binding, upstream, std::move(*options), *message, std::move(exchange));
  }
  std::make_shared<RestStream>(format, binding, std::move(exchange))
      ->start(upstream, std::move(*options), *message);
}

}  // namespace

void add_rest_route(RestBinding binding, std::shared_ptr<Upstream> upstream, Router& router) {
  auto method = binding.http_method;
  auto path = binding.path;
  router.add(std::move(method), std::move(path),
             [binding = std::move(binding), upstream = std::move(upstream)](
                 HttpRequest request, const PathTemplate::Bindings& bindings,
                 std::shared_ptr<Exchange> exchange) {
               handle(binding, *upstream, std::move(request), bindings, std::move(exchange));
             });
}

}  // namespace weir::gateway
