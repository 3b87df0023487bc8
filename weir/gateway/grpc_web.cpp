#include <weir/gateway/grpc_web.hpp>

#include <atomic>

#include <fmt/format.h>

#include <weir/gateway/base64.hpp>
#include <weir/gateway/errors.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;

constexpr unsigned char trailer_flag = 0x80;
constexpr std::size_t frame_head_bytes = 5;

std::string frame(unsigned char flag, std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + frame_head_bytes);
  out += static_cast<char>(flag);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(bytes.size() >> shift);
  return out.append(bytes);
}

/// The one message of a request's body.
Result<std::string> unframe(std::string_view body) {
  const auto wrong = [](std::string_view what) { return invalid_field("body", what); };
  if (body.size() < frame_head_bytes) return wrong("it has no gRPC-Web frame");
  if (body[0] != 0) return wrong("its gRPC-Web frame is compressed or no message");
  std::size_t bytes = 0;
  for (std::size_t i = 1; i < frame_head_bytes; ++i) {
    bytes = bytes << 8 | static_cast<unsigned char>(body[i]);
  }
  if (bytes != body.size() - frame_head_bytes) {
    return wrong(fmt::format("its gRPC-Web frame says {} bytes and has {}", bytes,
                             body.size() - frame_head_bytes));
  }
  return std::string(body.substr(frame_head_bytes));
}

/// As gRPC's protocol wants grpc-message: everything but printable ASCII and "%" as %XX.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7F && c != '%') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string trailer_block(const grpc::Status& status, const Trailers& trailers) {
  auto out = fmt::format("grpc-status:{}\r\n", static_cast<int>(status.error_code()));
  if (!status.error_message().empty()) {
    out += fmt::format("grpc-message:{}\r\n", percent_encoded(status.error_message()));
  }
  if (!status.error_details().empty()) {
    out += fmt::format("grpc-status-details-bin:{}\r\n", encode_base64(status.error_details()));
  }
  for (const auto& [name, value] : trailers) {
    if (name.starts_with("grpc-")) continue;
    out += fmt::format("{}:{}\r\n", name, name.ends_with("-bin") ? encode_base64(value) : value);
  }
  return out;
}

class GrpcWebCall : public std::enable_shared_from_this<GrpcWebCall> {
 public:
  GrpcWebCall(bool text, bool unary, std::shared_ptr<Exchange> exchange)
      : text_(text), unary_(unary), exchange_(std::move(exchange)) {}

  void start(Upstream& upstream, CallOptions options, const std::string& message) {
    if (unary_) return start_unary(upstream, std::move(options), message);
    auto self = shared_from_this();
    call_ = StreamCall::start(
        upstream.channel, *upstream.poller, options, to_buffer(message),
        {.on_message =
             [self](grpc::ByteBuffer& buffer) { self->send(frame(0, to_string(buffer))); },
         .on_done = [self](const grpc::Status& status,
                           const Trailers& trailers) { self->on_done(status, trailers); }});
    exchange_->on_ending([weak = weak_from_this()](Ending ending) {
      if (const auto call = weak.lock()) call->on_ending(ending);
    });
    call_->next();
  }

  /// Without a call: the request itself is wrong.
  void refuse(const Error& error) { on_done(to_status(error), {}); }

  void begin(std::string content_type) {
    StreamHead head;
    head.headers.push_back({"Content-Type", std::move(content_type)});
    head.headers.push_back({"Cache-Control", "no-store"});
    exchange_->begin(std::move(head), std::nullopt);
  }

 private:
  void start_unary(Upstream& upstream, CallOptions options, const std::string& message) {
    const auto call = UnaryCall::start(
        upstream.channel, *upstream.poller, options, to_buffer(message),
        [self = shared_from_this()](const grpc::Status& status, grpc::ByteBuffer& response,
                                    const Trailers& trailers) {
          if (status.ok()) self->write(frame(0, to_string(response)), nullptr);
          self->on_done(status, trailers);
        });
    exchange_->on_ending([weak = std::weak_ptr(call)](Ending ending) {
      const auto ended = weak.lock();
      // One that was accepted is finished when the server stops.
      if (ended && ending != Ending::stopping) ended->cancel();
    });
  }

  void write(const std::string& bytes, UniqueFunction<void()> written) {
    exchange_->write(text_ ? encode_base64(bytes) : bytes, std::move(written));
  }

  void send(const std::string& bytes) {
    write(bytes, [call = call_] { call->next(); });
  }

  void on_done(const grpc::Status& status, const Trailers& trailers) {
    const auto told = stopping_ ? to_status(shutting_down()) : status;
    write(frame(trailer_flag, trailer_block(told, trailers)), nullptr);
    exchange_->end();
  }

  void on_ending(Ending ending) {
    if (ending == Ending::stopping) stopping_ = true;
    call_->cancel();
  }

  const bool text_;
  const bool unary_;
  const std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<StreamCall> call_;
  std::atomic<bool> stopping_{false};
};

void handle(const pb::MethodDescriptor& method, Upstream& upstream, const HttpRequest& request,
            std::shared_ptr<Exchange> exchange) {
  const auto type = request.content_type();
  const bool text =
      type == "application/grpc-web-text" || type == "application/grpc-web-text+proto";
  if (!text && type != "application/grpc-web" && type != "application/grpc-web+proto") {
    return exchange->respond(error_response(
        Error{.code = Code::invalid_argument,
              .message = "Content-Type: expected application/grpc-web, +proto or -text"},
        415));
  }
  auto call = std::make_shared<GrpcWebCall>(text, !method.server_streaming(), std::move(exchange));
  call->begin(type);
  if (method.client_streaming()) {
    return call->refuse(Error{.code = Code::unimplemented,
                              .reason = Reason::not_supported,
                              .message = "gRPC-Web has no client streams"});
  }
  auto body = text ? decode_base64(request.body) : request.body;
  if (!body) return call->refuse(invalid_field("body", "it is not base64"));
  const auto message = unframe(*body);
  if (!message) return call->refuse(message.error());
  auto options = upstream.options_for(method, request);
  if (!options) return call->refuse(options.error());
  const auto timeout = grpc_timeout_of(request);
  if (!timeout) return call->refuse(timeout.error());
  options->timeout = *timeout;
  if (!options->timeout && !method.server_streaming()) options->timeout = upstream.unary_timeout;
  call->start(upstream, std::move(*options), *message);
}

}  // namespace

void add_grpc_web_route(const pb::MethodDescriptor& method, std::shared_ptr<Upstream> upstream,
                        Router& router) {
  router.add("POST", path_of(method),
             [&method, upstream = std::move(upstream)](HttpRequest request,
                                                       std::shared_ptr<Exchange> exchange) {
               handle(method, *upstream, request, std::move(exchange));
             });
}

}  // namespace weir::gateway
