#include <weir/server/health_service.hpp>

#include <grpc/health/v1/health.grpc.pb.h>

#include <algorithm>
#include <functional>
#include <mutex>

#include <weir/server/streams.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

namespace v1 = grpc::health::v1;
using Status = v1::HealthCheckResponse;

std::optional<grpc::ByteBuffer> message(Status::ServingStatus status) {
  Status response;
  response.set_status(status);
  return remote::to_buffer(response.SerializeAsString());
}

/// What it is now; when the server drains, that it serves no more; and the end.
class StatusFeed final : public StepFeed {
 public:
  StatusFeed(Status::ServingStatus now, std::stop_token draining, std::stop_token gone)
      : now_(now), draining_(std::move(draining)), gone_(std::move(gone)) {}

  void next(Ready ready) override {
    switch (step_++) {
      case 0: return ready(message(now_));
      case 1: return wait(std::move(ready));
      default: return ready(std::optional<grpc::ByteBuffer>());
    }
  }

 private:
  using OnStop = std::stop_callback<std::function<void()>>;

  void wait(Ready ready) {
    {
      const std::lock_guard lock(mutex_);
      ready_ = std::move(ready);
    }
    on_drain_ = std::make_unique<OnStop>(draining_, [this] { tell(message(last())); });
    on_gone_ = std::make_unique<OnStop>(gone_, [this] { tell(std::nullopt); });
  }

  Status::ServingStatus last() const {
    return now_ == Status::SERVING ? Status::NOT_SERVING : now_;
  }

  void tell(std::optional<grpc::ByteBuffer> news) {
    Ready ready;
    {
      const std::lock_guard lock(mutex_);
      ready = std::exchange(ready_, nullptr);
    }
    if (ready) ready(std::move(news));
  }

  const Status::ServingStatus now_;
  const std::stop_token draining_;
  const std::stop_token gone_;
  int step_ = 0;
  std::mutex mutex_;
  Ready ready_;
  std::unique_ptr<OnStop> on_drain_;
  std::unique_ptr<OnStop> on_gone_;
};

class HealthService final
    : public v1::Health::WithCallbackMethod_Check<
          v1::Health::WithRawCallbackMethod_Watch<v1::Health::Service>> {
 public:
  HealthService(std::vector<std::string> services, std::stop_token draining)
      : services_(std::move(services)), draining_(std::move(draining)) {}

 private:
  using Context = grpc::CallbackServerContext;

  Status::ServingStatus status_of(const std::string& service) const {
    const bool ours = service.empty() || std::find(services_.begin(), services_.end(), service) !=
                                             services_.end();
    if (!ours) return Status::SERVICE_UNKNOWN;
    return draining_.stop_requested() ? Status::NOT_SERVING : Status::SERVING;
  }

  grpc::ServerUnaryReactor* Check(Context* context, const v1::HealthCheckRequest* request,
                                  Status* response) override {
    auto* reactor = context->DefaultReactor();
    response->set_status(status_of(request->service()));
    if (response->status() == Status::SERVICE_UNKNOWN) {
      reactor->Finish({grpc::NOT_FOUND, "there is no service of that name"});
    } else {
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(Context*,
                                                    const grpc::ByteBuffer* buffer) override {
    const auto stream = FeedStream::start({});
    v1::HealthCheckRequest request;
    grpc::ByteBuffer copy(*buffer);
    const auto parsed =
        grpc::SerializationTraits<v1::HealthCheckRequest>::Deserialize(&copy, &request);
    if (!parsed.ok()) {
      stream->fail(invalid_field("request", "is not a message of this method"));
      return stream.get();
    }
    stream->feed(std::make_unique<StatusFeed>(status_of(request.service()), draining_,
                                              stream->stop_token()));
    return stream.get();
  }

  const std::vector<std::string> services_;
  const std::stop_token draining_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_health_service(std::vector<std::string> services,
                                                   std::stop_token draining) {
  return std::make_unique<HealthService>(std::move(services), std::move(draining));
}

}  // namespace weir::server
