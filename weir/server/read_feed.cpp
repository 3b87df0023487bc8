#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include <weir/server/streams.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::server {
namespace {

/// The first messages of a read are small, so that the first event is soon there.
constexpr std::size_t first_batch_events = 16;
constexpr std::size_t batch_growth = 8;
/// Steps that are read at once, where the range can be cut into pieces.
constexpr std::size_t pieces_max = 2;

/// A read, message by message. One of everything is cut into pieces by position, of which the next
/// is being read while the one before is on its way: it is then as fast as two processors allow.
class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(std::shared_ptr<EventStore> log, ReadRequest request)
      : log_(std::move(log)),
        rest_(std::move(request)),
        batch_events_max_(rest_.batch_events_max),
        in_pieces_(rest_.query.everything() && !rest_.occurred.from && !rest_.occurred.until &&
                   !rest_.limit && rest_.direction == Direction::forwards) {
    rest_.batch_bytes_max = stream_batch_bytes;
    rest_.batch_events_max = std::min(batch_events_max_, first_batch_events);
  }

  void next(StepFeed::Ready ready) {
    // Whoever is told may let go of the feed while this goes on.
    const auto self = shared_from_this();
    std::vector<std::shared_ptr<Piece>> to_ask;
    {
      const std::lock_guard lock(mutex_);
      ready_ = std::move(ready);
      cut_pieces();
      for (const auto& piece : pieces_) {
        if (!std::exchange(piece->asked, true)) to_ask.push_back(piece);
      }
    }
    for (auto& piece : to_ask) ask(std::move(piece));
    tell();
  }

 private:
  /// A part of the range: what is left of it, and its next step once that is there.
  struct Piece {
    explicit Piece(ReadRequest part) : request(std::move(part)) {}
    ReadRequest request;
    bool asked = false;
    std::optional<Result<ReadStep>> step;
  };

  /// With the lock held. Until the head is known there is one piece, the whole.
  void cut_pieces() {
    const bool cuts = in_pieces_ && head_;
    while (!over_ && !all_cut_ && pieces_.size() < (cuts ? pieces_max : 1)) {
      auto piece = std::make_shared<Piece>(rest_);
      const Position end(rest_.after.value + rest_.batch_events_max);
      if (cuts && end < *rest_.until) {
        piece->request.until = rest_.after = end;
        grow(rest_);
      } else {
        all_cut_ = true;
      }
      pieces_.push_back(std::move(piece));
    }
  }

  void grow(ReadRequest& request) const {
    request.batch_events_max = std::min(batch_events_max_, request.batch_events_max * batch_growth);
  }

  void ask(std::shared_ptr<Piece> piece) {
    log_->read_step(piece->request, [self = shared_from_this(), piece](Result<ReadStep> step) {
      {
        const std::lock_guard lock(self->mutex_);
        piece->step = std::move(step);
      }
      self->tell();
    });
  }

  /// Gives the first piece's step to whoever waits for it.
  void tell() {
    std::unique_lock lock(mutex_);
    if (!ready_) return;
    auto ready = std::exchange(ready_, nullptr);
    if (over_) {
      lock.unlock();
      return ready(std::optional<grpc::ByteBuffer>());
    }
    const auto first = pieces_.front();
    if (!first->step) {
      ready_ = std::move(ready);
      return;
    }
    auto step = *std::exchange(first->step, std::nullopt);
    if (!step) {
      lock.unlock();
      return ready(step.error());
    }
    auto message = take(*first, std::move(step).value());
    lock.unlock();
    ready(std::optional(std::move(message)));
  }

  /// With the lock held. The step is the first piece's.
  grpc::ByteBuffer take(Piece& piece, ReadStep step) {
    auto& request = piece.request;
    const bool very_first = !head_;
    if (very_first) {
      head_ = step.head;
      request.until = std::min(request.until.value_or(*head_), *head_);
    }
    step.head = *head_;
    move_past(step, request);
    grow(request);
    piece.asked = false;
    if (step.end || (very_first && in_pieces_)) pieces_.pop_front();
    if (very_first && in_pieces_ && !step.end) {
      rest_ = request;
      all_cut_ = false;
    }
    // A store that ends before a piece does has no more.
    const bool no_more = in_pieces_ && request.after < *request.until;
    over_ = step.end && (no_more || (pieces_.empty() && all_cut_));
    step.end = over_;
    return remote::to_buffer(remote::to_wire(std::move(step)));
  }

  const std::shared_ptr<EventStore> log_;
  std::mutex mutex_;
  StepFeed::Ready ready_;
  /// What has not been cut yet.
  ReadRequest rest_;
  const std::size_t batch_events_max_;
  const bool in_pieces_;
  std::deque<std::shared_ptr<Piece>> pieces_;
  std::optional<Position> head_;
  bool all_cut_ = false;
  bool over_ = false;
};

class ReadFeed final : public StepFeed {
 public:
  explicit ReadFeed(std::shared_ptr<Reading> reading) : reading_(std::move(reading)) {}
  void next(Ready ready) override { reading_->next(std::move(ready)); }

 private:
  const std::shared_ptr<Reading> reading_;
};

}  // namespace

std::unique_ptr<StepFeed> make_read_feed(std::shared_ptr<EventStore> log, ReadRequest request) {
  return std::make_unique<ReadFeed>(std::make_shared<Reading>(std::move(log), std::move(request)));
}

}  // namespace weir::server
