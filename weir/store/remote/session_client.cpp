#include <weir/store/remote/session_client.hpp>

#include <fmt/format.h>
#include <grpcpp/alarm.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <stop_token>

#include <weir/base/batching.hpp>
#include <weir/rpc/client_call.hpp>
#include <weir/store/remote/context.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/remote/reaction.hpp>

namespace weir::remote {
namespace {

/// A stream may end between being found and being used; its successor is tried then.
constexpr int streams_tried_max = 3;
/// What a server has to say about a call that is late or stopped may come so much later.
constexpr std::chrono::milliseconds grace{100};

std::uint32_t milliseconds_left(Instant deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time_left(deadline));
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left.count(), 0, UINT32_MAX));
}

}  // namespace

/// One stream from its opening to its end. Owned by gRPC until OnDone, and by the client while it
/// is the current one.
class SessionClient::Stream final
    : public rpc::ClientStream<v1::SessionRequests, v1::SessionResponses>,
      public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(const Options& options) : options_(options) {}

  void open(const Wire& wire) {
    self_ = shared_from_this();
    wire.authorize(context());
    StartCall(wire.channel, "/weir.v1.EventLog/Session", rpc::client_poller());
    // Writes come from outside of reactions, so the call must not end before close().
    AddHold();
    StartRead(&in_);
  }

  bool over() {
    const std::lock_guard lock(mutex_);
    return over_ || closing_;
  }

  /// False, with nothing done, when the stream is over.
  bool call(v1::SessionRequest& request, const CallOptions& options, Answered& answered) {
    std::unique_lock lock(mutex_);
    if (over_ || closing_) return false;
    if (outstanding_.size() >= options_.outstanding_max) {
      lock.unlock();
      answered(overloaded(fmt::format("{} requests are outstanding, the limit is {}",
                                      options_.outstanding_max, options_.outstanding_max),
                          std::chrono::milliseconds(50)));
      return true;
    }
    const auto number = next_number_++;
    request.set_number(number);
    const auto bytes = request.ByteSizeLong();
    if (bytes > options_.request_bytes_max) {
      lock.unlock();
      answered(past_limit("request", bytes, options_.request_bytes_max, "bytes"));
      return true;
    }
    auto& outstanding = outstanding_[number];
    outstanding.answered = std::move(answered);
    if (options.deadline) {
      give_up(outstanding, system_clock().instant() + time_left(*options.deadline) + grace);
    }
    waiting_bytes_ += bytes;
    if (waiting_.empty() || waiting_bytes_ > options_.message_bytes_max) {
      waiting_bytes_ = bytes;
      waiting_.emplace_back();
    }
    *waiting_.back().add_requests() = std::move(request);
    write_waiting();
    if (!options.stop.stop_possible()) return true;
    lock.unlock();
    // Outside of the lock: it may fire at once.
    auto on_stop = std::make_unique<OnStop>(options.stop, [weak = weak_from_this(), number] {
      if (const auto self = weak.lock()) self->cancel(number);
    });
    lock.lock();
    const auto found = outstanding_.find(number);
    if (found != outstanding_.end()) {
      found->second.on_stop = std::move(on_stop);
    } else {
      lock.unlock();
      on_stop.reset();
    }
    return true;
  }

  std::shared_ptr<CallEnd> end() const { return end_; }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(closing_, true)) return;
      if (alarm_for_) alarm_.Cancel();
    }
    context().TryCancel();
    RemoveHold();
  }

 private:
  using OnStop = std::stop_callback<std::function<void()>>;
  struct Outstanding {
    Answered answered;
    std::unique_ptr<OnStop> on_stop;
    /// When it is answered here, unless the server has done so.
    std::optional<Instant> give_up_at;
    bool stopped = false;
  };

  // With the lock held, these two.
  void give_up(Outstanding& outstanding, Instant at) {
    if (outstanding.give_up_at && *outstanding.give_up_at <= at) return;
    outstanding.give_up_at = at;
    if (!alarm_for_) {
      set_alarm(at);
    } else if (at < *alarm_for_) {
      alarm_.Cancel();  // it comes at once then, and is set anew
    }
  }
  void set_alarm(Instant at) {
    AddHold();
    alarm_for_ = at;
    const auto left = std::chrono::nanoseconds(at - system_clock().instant()).count();
    alarm_.Set(&rpc::client_poller().queue(),
               gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left, GPR_TIMESPAN)),
               static_cast<rpc::Tag*>(&alarm_tag_));
  }

  void alarmed(bool) {
    const CallEnd::Reacting reacting;
    std::vector<Outstanding> late;
    {
      const std::lock_guard lock(mutex_);
      alarm_for_.reset();
      const auto now = system_clock().instant();
      std::optional<Instant> next;
      for (auto it = outstanding_.begin(); it != outstanding_.end();) {
        const auto at = it->second.give_up_at;
        if (at && *at <= now) {
          late.push_back(std::move(it->second));
          it = outstanding_.erase(it);
          continue;
        }
        if (at) next = std::min(next.value_or(*at), *at);
        ++it;
      }
      if (next && !over_ && !closing_) set_alarm(*next);
    }
    {
      const Batching together;
      for (auto& each : late) {
        each.on_stop.reset();
        each.answered(each.stopped ? cancelled() : deadline_passed());
      }
    }
    RemoveHold();
  }

  void cancel(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = outstanding_.find(number);
    if (over_ || closing_ || found == outstanding_.end()) return;
    found->second.stopped = true;
    give_up(found->second, system_clock().instant() + grace);
    if (waiting_.empty()) waiting_.emplace_back();
    waiting_.back().add_requests()->set_cancel(number);
    write_waiting();
  }

  void write_waiting() {
    if (writing_ || write_put_off_ || waiting_.empty() || over_ || closing_) return;
    if (Batching::active()) {
      write_put_off_ = true;
      return Batching::at_end([self = shared_from_this()] {
        const std::lock_guard lock(self->mutex_);
        self->write_put_off_ = false;
        self->write_waiting();
      });
    }
    writing_ = true;
    out_ = std::move(waiting_.front());
    waiting_.pop_front();
    if (waiting_.empty()) waiting_bytes_ = 0;
    out_.set_nothing_else_outstanding(static_cast<std::size_t>(out_.requests_size()) ==
                                      outstanding_.size());
    StartWrite(&out_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) write_waiting();
  }

  void OnReadDone(bool ok) override {
    const CallEnd::Reacting reacting;
    if (!ok) {
      // The end of the stream: let it go, so that OnDone comes.
      close();
      return;
    }
    const Batching together;
    std::vector<std::pair<Outstanding, v1::SessionResponse*>> answered;
    answered.reserve(static_cast<std::size_t>(in_.responses_size()));
    {
      const std::lock_guard lock(mutex_);
      for (auto& response : *in_.mutable_responses()) {
        const auto found = outstanding_.find(response.number());
        if (found == outstanding_.end()) continue;
        answered.emplace_back(std::move(found->second), &response);
        outstanding_.erase(found);
      }
    }
    // What these answers lead to goes in one message.
    for (auto& [outstanding, response] : answered) {
      outstanding.on_stop.reset();
      if (response->response_case() == v1::SessionResponse::kError) {
        outstanding.answered(from_status_bytes(response->error()));
      } else {
        outstanding.answered(response);
      }
    }
    // After what is to be sent: a read that begins tells the server at once how much it may send,
    // which takes a message of its own.
    AddHold();
    Batching::at_end([self = shared_from_this()] {
      self->StartRead(&self->in_);
      self->RemoveHold();
    });
  }

  void OnDone(const grpc::Status& status) override {
    const CallEnd::Reacting reacting;
    std::map<std::uint64_t, Outstanding> outstanding;
    std::shared_ptr<Stream> self;
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      outstanding.swap(outstanding_);
      self = std::move(self_);
    }
    auto error = status.ok() ? unavailable("the server ended the session") : from_status(status);
    // Whether an append in flight was recorded is not known.
    if (error.code == Code::cancelled)
      error = unavailable("the connection to the server is closed");
    for (auto& [number, waiting] : outstanding) {
      waiting.on_stop.reset();
      waiting.answered(error);
    }
    // The channel must not go with this object here: whoever waits has it still.
    const auto end = end_;
    self.reset();
    end->set();
  }

  const Options options_;
  const std::shared_ptr<CallEnd> end_ = std::make_shared<CallEnd>();
  std::mutex mutex_;
  std::shared_ptr<Stream> self_;
  v1::SessionRequests out_;
  v1::SessionResponses in_;
  std::deque<v1::SessionRequests> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, Outstanding> outstanding_;
  /// Comes when the first of them is to be given up; set while it has a time.
  grpc::Alarm alarm_;
  std::optional<Instant> alarm_for_;
  rpc::TagOf<Stream, &Stream::alarmed> alarm_tag_{*this};
  bool writing_ = false;
  bool write_put_off_ = false;
  bool over_ = false;
  bool closing_ = false;
};

SessionClient::SessionClient(Wire wire, Options options)
    : wire_(std::move(wire)), options_(options) {}

SessionClient::~SessionClient() {
  if (stream_) stream_->close();
  for (const auto& end : ends_) end->wait();
}

std::shared_ptr<SessionClient::Stream> SessionClient::stream() {
  const std::lock_guard lock(mutex_);
  if (!stream_ || stream_->over()) {
    stream_ = std::make_shared<Stream>(options_);
    std::erase_if(ends_, [](const auto& end) { return end->ended(); });
    ends_.push_back(stream_->end());
    stream_->open(wire_);
  }
  return stream_;
}

void SessionClient::call(v1::SessionRequest request, const CallOptions& options,
                         Answered answered) {
  if (options.stop.stop_requested()) return answered(cancelled());
  if (options.deadline) {
    const auto left = milliseconds_left(*options.deadline);
    if (left == 0) return answered(deadline_passed());
    request.set_timeout_milliseconds(left);
  }
  add_context(options, request);
  for (int tries = 0; tries < streams_tried_max; ++tries) {
    if (stream()->call(request, options, answered)) return;
  }
  answered(unavailable("the connection to the server is closed"));
}

}  // namespace weir::remote
