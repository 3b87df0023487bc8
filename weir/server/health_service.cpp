#include <weir/server/health_service.hpp>

#include <grpc/health/v1/health.grpc.pb.h>

#include <algorithm>
#include <functional>

#include <weir/server/health_news.hpp>
#include <weir/server/streams.hpp>

namespace weir::server {
namespace {

namespace health_v1 = grpc::health::v1;
using Status = health_v1::HealthCheckResponse;

/// When the server drains, that it serves no more; and the end.
class StatusFeed final : public StepFeed {
 public:
  StatusFeed(std::shared_ptr<HealthNews> news, bool known, std::stop_token draining,
             std::stop_token gone)
      : news_(std::move(news)),
        on_drain_(std::move(draining),
                  [this, known] {
                    news_->end(known ? std::optional(Status::NOT_SERVING) : std::nullopt);
                  }),
        on_gone_(std::move(gone), [this] { news_->end(std::nullopt); }) {}

  void next(Ready ready) override { news_->next(std::move(ready)); }

 private:
  using OnStop = std::stop_callback<std::function<void()>>;

  const std::shared_ptr<HealthNews> news_;
  OnStop on_drain_;
  OnStop on_gone_;
};

class HealthService final : public rpc::Service {
 public:
  HealthService(std::vector<std::string> services, std::shared_ptr<Health> health,
                std::stop_token draining)
      : services_(std::move(services)), health_(std::move(health)), draining_(std::move(draining)) {
    methods_.push_back(
        rpc::method(api_, &Api::RequestCheck,
                    [this](rpc::ServerCall& call, const health_v1::HealthCheckRequest& request,
                           Status& response) { check(call, request, response); }));
    methods_.push_back(rpc::method(
        api_, &Api::RequestWatch,
        [this](FeedStream::Call& call, const grpc::ByteBuffer& request) { watch(call, request); }));
  }

  grpc::Service& api() override { return api_; }

 private:
  using Api = health_v1::Health::WithAsyncMethod_Check<
      health_v1::Health::WithRawMethod_Watch<health_v1::Health::Service>>;

  bool known(const std::string& service) const {
    return service.empty() ||
           std::find(services_.begin(), services_.end(), service) != services_.end();
  }
  Status::ServingStatus status_without_health() const {
    return draining_.stop_requested() ? Status::NOT_SERVING : Status::SERVING;
  }

  void check(rpc::ServerCall& call, const health_v1::HealthCheckRequest& request,
             Status& response) const {
    if (!known(request.service())) {
      response.set_status(Status::SERVICE_UNKNOWN);
      call.finish({grpc::NOT_FOUND, "there is no service of that name"});
    } else if (!health_ || draining_.stop_requested()) {
      response.set_status(status_without_health());
      call.finish(grpc::Status::OK);
    } else {
      health_->report([&call, &response](const std::shared_ptr<const HealthReport>& report) {
        response.set_status(serving(report->status));
        call.finish(grpc::Status::OK);
      });
    }
  }

  void watch(FeedStream::Call& call, const grpc::ByteBuffer& buffer) const {
    const auto stream = FeedStream::start(call, {});
    const auto request = parse_message<health_v1::HealthCheckRequest>(buffer);
    if (!request) return stream->fail(request.error());
    const auto news = std::make_shared<HealthNews>();
    const bool ours = known(request->service());
    if (!ours) {
      news->tell(Status::SERVICE_UNKNOWN);
    } else if (!health_ || draining_.stop_requested()) {
      news->tell(status_without_health());
    } else {
      health_->watch(news);
    }
    stream->feed(std::make_unique<StatusFeed>(news, ours, draining_, stream->stop_token()));
  }

  Api api_;
  const std::vector<std::string> services_;
  const std::shared_ptr<Health> health_;
  const std::stop_token draining_;
};

}  // namespace

std::unique_ptr<rpc::Service> make_health_service(std::vector<std::string> services,
                                                  std::shared_ptr<Health> health,
                                                  std::stop_token draining) {
  return std::make_unique<HealthService>(std::move(services), std::move(health),
                                         std::move(draining));
}

}  // namespace weir::server
