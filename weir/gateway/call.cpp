#include <weir/gateway/call.hpp>

#include <grpcpp/support/proto_buffer_reader.h>

namespace weir::gateway {
namespace {

void prepare(grpc::ClientContext& context, const CallOptions& options) {
  for (const auto& header : options.metadata) context.AddMetadata(header.name, header.value);
  if (options.timeout) {
    context.set_deadline(std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            (options.clock->now() + *options.timeout).time_since_epoch())));
  }
}

Trailers trailers_of(const grpc::ClientContext& context) {
  Trailers trailers;
  for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
    trailers.emplace(std::string(name.data(), name.size()),
                     std::string(value.data(), value.size()));
  }
  return trailers;
}

}  // namespace

grpc::ByteBuffer to_buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer to_buffer(const google::protobuf::Message& message) {
  const auto size = message.ByteSizeLong();
  const grpc::Slice slice(size);
  // A slice that nobody else has may be written to.
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

std::string to_string(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  out.reserve(buffer.Length());
  for (const auto& slice : slices) {
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return out;
}

bool parse_buffer(grpc::ByteBuffer& buffer, google::protobuf::Message& message) {
  // A call that ended without a message leaves the buffer without even a length.
  if (!buffer.Valid()) return false;
  grpc::ProtoBufferReader reader(&buffer);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

std::shared_ptr<UnaryCall> UnaryCall::start(const std::shared_ptr<grpc::Channel>& channel,
                                            rpc::Poller& poller, const CallOptions& options,
                                            const grpc::ByteBuffer& request, Done done) {
  auto call = std::make_shared<UnaryCall>();
  prepare(call->context_, options);
  rpc::start_unary(channel, options.method, call->context_, request, call->response_, poller,
                   [call, done = std::move(done)](const grpc::Status& status) {
                     done(status, call->response_, trailers_of(call->context_));
                   });
  return call;
}

std::shared_ptr<StreamCall> StreamCall::start(const std::shared_ptr<grpc::Channel>& channel,
                                              rpc::Poller& poller, const CallOptions& options,
                                              grpc::ByteBuffer request, Callbacks callbacks) {
  auto call = std::make_shared<StreamCall>();
  prepare(call->context(), options);
  call->request_ = std::move(request);
  call->callbacks_ = std::move(callbacks);
  call->self_ = call;
  call->StartCall(channel, options.method, poller);
  call->AddHold();
  call->StartWriteLast(&call->request_);
  return call;
}

void StreamCall::next() {
  {
    const std::lock_guard lock(mutex_);
    if (!held_ || reading_ || cancelled_) return;
    reading_ = true;
  }
  StartRead(&message_);
}

void StreamCall::cancel() {
  bool release = false;
  {
    const std::lock_guard lock(mutex_);
    if (!held_ || cancelled_) return;
    cancelled_ = true;
    release = !reading_;
    if (release) held_ = false;
  }
  context().TryCancel();
  // Not before the line above: with the last hold gone, this object may go.
  if (release) RemoveHold();
}

void StreamCall::OnReadDone(bool ok) {
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    over = !ok || cancelled_;
    if (over) held_ = false;
  }
  if (over) return RemoveHold();
  // Not kept until the next one comes: what is made of it waits for the client, which may be slow.
  grpc::ByteBuffer message;
  message.Swap(&message_);
  callbacks_.on_message(message);
}

void StreamCall::OnDone(const grpc::Status& status) {
  const auto trailers = trailers_of(context());
  // What the callbacks hold usually holds this call.
  auto callbacks = std::move(callbacks_);
  const auto self = std::move(self_);
  callbacks.on_done(status, trailers);
}

}  // namespace weir::gateway
