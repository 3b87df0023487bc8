#include <weir/server/stream_probe.hpp>

#include <grpcpp/grpcpp.h>
#include <weir/v1/log.pb.h>

#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

/// Owned by itself until the call has ended.
class Probe final : public rpc::ClientStream<v1::SubscribeRequest, v1::SubscribeResponse> {
 public:
  Probe(Position head, const Clock& clock, Done<Delivered> done)
      : head_(head), clock_(clock), done_(std::move(done)), began_(clock.instant()) {}

  void start(const std::shared_ptr<grpc::Channel>& channel, rpc::Poller& poller,
             std::chrono::milliseconds patience, const std::string& authorization) {
    if (!authorization.empty()) context().AddMetadata("authorization", authorization);
    context().set_deadline(std::chrono::system_clock::now() + patience);
    if (head_ > Position()) request_.set_after(head_.value - 1);
    request_.set_batch_size(1);
    StartCall(channel, "/weir.v1.EventLog/Subscribe", poller);
    StartRequest(&request_, &response_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;  // the status says why
    const bool event = response_.events_size() > 0;
    if (event ? response_.events(0).position() == head_.value
              : head_ == Position() && response_.caught_up()) {
      delivered_ = Delivered{.event = event, .took = clock_.instant() - began_};
      return context().TryCancel();
    }
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    if (delivered_) {
      done_(*delivered_);
    } else if (status.ok()) {
      done_(unavailable("the stream ended before it delivered anything"));
    } else {
      done_(remote::from_status(status));
    }
    delete this;
  }

  const Position head_;
  const Clock& clock_;
  Done<Delivered> done_;
  const Instant began_;
  v1::SubscribeRequest request_;
  v1::SubscribeResponse response_;
  std::optional<Delivered> delivered_;
};

}  // namespace

void probe_stream(const std::shared_ptr<grpc::Channel>& channel, rpc::Poller& poller,
                  const std::string& authorization, Position head,
                  std::chrono::milliseconds patience, const Clock& clock, Done<Delivered> done) {
  (new Probe(head, clock, std::move(done)))->start(channel, poller, patience, authorization);
}

}  // namespace weir::server
