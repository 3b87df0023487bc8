#include <weir/server/health_news.hpp>

#include <utility>

#include <weir/store/remote/convert.hpp>

namespace weir::server {

HealthNews::Status::ServingStatus serving(HealthStatus status) {
  using Status = HealthNews::Status;
  return status == HealthStatus::unhealthy ? Status::NOT_SERVING : Status::SERVING;
}

void HealthNews::changed(HealthStatus status) {
  tell(serving(status));
}

void HealthNews::tell(Status::ServingStatus status) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  note(status);
  deliver(lock);
}

void HealthNews::end(std::optional<Status::ServingStatus> last) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  if (last) note(*last);
  ended_ = true;
  deliver(lock);
}

void HealthNews::next(Ready ready) {
  std::unique_lock lock(mutex_);
  ready_ = std::move(ready);
  deliver(lock);
}

// With the lock held.
void HealthNews::note(Status::ServingStatus status) {
  news_ = status == told_ ? std::nullopt : std::optional(status);
}

void HealthNews::deliver(std::unique_lock<std::mutex>& lock) {
  if (!ready_ || (!news_ && !ended_)) return;
  const auto news = std::exchange(news_, std::nullopt);
  if (news) told_ = news;
  auto ready = std::exchange(ready_, nullptr);
  lock.unlock();
  if (!news) return ready(std::optional<grpc::ByteBuffer>());
  Status response;
  response.set_status(*news);
  ready(std::optional(remote::to_buffer(response.SerializeAsString())));
}

}  // namespace weir::server
