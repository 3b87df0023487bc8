#include <weir/server/session.hpp>

#include <utility>

#include <fmt/format.h>

#include <weir/base/batching.hpp>
#include <weir/base/may_block.hpp>
#include <weir/store/remote/convert.hpp>

namespace weir::server {

namespace {

std::string_view operation_of(const v1::SessionRequest& request) {
  switch (request.request_case()) {
    case v1::SessionRequest::kAppend:
      return "append";
    case v1::SessionRequest::kRead:
      return "read";
    default:
      return "head";
  }
}

}  // namespace

void SessionStream::start(Call& call, Logs& logs, const CallReports& reports, Caller caller,
                          Admission& admission, CallReport report) {
  auto stream = std::shared_ptr<SessionStream>(
      new SessionStream(call, logs, reports, std::move(caller), admission, std::move(report)));
  stream->self_ = stream;
  call.set_reactor(*stream);
  if (admission.by_client()) stream->client_ = client_of(call.context());
  auto ticket = admission.stream(stream->client_, 0);
  if (!ticket) {
    stream->end_with(ticket.error());
    return;
  }
  stream->ticket_ = std::move(*ticket);
  if (const auto known = stream->caller_.known(stream->report_.context()); !known) {
    stream->end_with(known.error());
    return;
  }
  call.read(stream->in_);
  const auto weak = stream->weak_from_this();
  const auto end_when = [weak](const std::stop_token& when, const Error& error) {
    return std::make_unique<OnStop>(when, [weak, error] {
      if (const auto self = weak.lock()) self->end_with(error);
    });
  };
  stream->on_drain_ = end_when(logs.draining(), shutting_down());
  stream->on_token_end_ = end_when(stream->caller_.ended(), token_ended());
}

void SessionStream::end_with(const Error& error) {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  last_ = remote::to_status(error);
  finish_if_over();
}

void SessionStream::OnReadDone(bool ok) {
  arrived_ = reports_.now();
  if (!ok) {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    no_more_requests_ = true;
    return finish_if_over();
  }
  if (in_.requests_size() > requests_max) {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    no_more_requests_ = true;
    last_ =
        remote::to_status(past_limit("requests", static_cast<std::uint64_t>(in_.requests_size()),
                                     requests_max, "requests in a message"));
    return finish_if_over();
  }
  reads_taken_ = 0;
  const Batching together;
  const MayBlock::Allowed allowed(is_alone());
  for (auto& request : *in_.mutable_requests()) take(request);
  // A read that begins tells the client at once how much it may send, which takes a message of its
  // own: first goes what is answered already, or is about to be on this thread.
  auto read_on = [self = shared_from_this()] {
    std::unique_lock lock(self->mutex_);
    self->reading_ = false;
    self->go_on(lock);
  };
  if (MayBlock::pending()) return MayBlock::put_off(std::move(read_on));
  Batching::at_end(std::move(read_on));
}

/// Nobody waits for anything but what this message asks for.
bool SessionStream::is_alone() {
  const std::lock_guard lock(mutex_);
  return in_.nothing_else_outstanding() && outstanding_.empty() &&
         admission_.calls_under_way() == 0;
}

// With the lock held. What is not read when the server stops was not accepted.
bool SessionStream::may_read() const {
  return !finished_ && !draining_ && !no_more_requests_ && outstanding_.size() < outstanding_max &&
         waiting_bytes_ < waiting_bytes_max;
}

void SessionStream::take(v1::SessionRequest& request) {
  const auto number = request.number();
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;  // its sender learns that from the stream's end
  }
  if (request.request_case() == v1::SessionRequest::kCancel) return cancel(request.cancel());
  auto call = begin(request, operation_of(request));
  if (!call) return;
  if (const auto allowed = may(request, call->context); !allowed) {
    return refuse(number, allowed.error());
  }
  switch (request.request_case()) {
    case v1::SessionRequest::kAppend:
      return append(number, std::move(*call), *request.mutable_append());
    case v1::SessionRequest::kRead:
      return read(number, std::move(*call), *request.mutable_read());
    case v1::SessionRequest::kHead:
      return head(number, std::move(*call), request.head().log());
    default:
      return refuse(number, invalid_field("request", "is neither append, read, head nor cancel"));
  }
}

Result<void> SessionStream::may(const v1::SessionRequest& request,
                                const telemetry::Context& context) const {
  switch (request.request_case()) {
    case v1::SessionRequest::kAppend:
      return caller_.may(security::Right::append, request.append().log(), context);
    case v1::SessionRequest::kRead:
      return caller_.may(security::Right::read, request.read().read().log(), context);
    case v1::SessionRequest::kHead:
      return caller_.may(security::Right::read, request.head().log(), context);
    default:
      return {};
  }
}

std::optional<CallOptions> SessionStream::begin(const v1::SessionRequest& request,
                                                std::string_view operation) {
  CallOptions call;
  if (const auto timeout = request.timeout_milliseconds(); timeout > 0) {
    call.deadline = system_clock().instant() + std::chrono::milliseconds(timeout);
  }
  auto ticket =
      admission_.call(client_, admission_.by_bytes() ? request.ByteSizeLong() : std::size_t{0});
  auto report = reports_.begin(operation, request.has_context() ? &request.context() : nullptr,
                               report_.context(), arrived_);
  call.context = report.span.context();
  std::unique_lock lock(mutex_);
  const auto number = request.number();
  if (finished_) return std::nullopt;
  if (draining_) return answer_error(lock, number, shutting_down()), std::nullopt;
  const auto [begun, fresh] = outstanding_.try_emplace(number);
  if (!fresh) {
    answer_error(lock, number,
                 invalid_field("number", fmt::format("{} is outstanding already", number)));
    return std::nullopt;
  }
  if (!ticket) {
    outstanding_.erase(begun);
    reports_.end(report, &ticket.error());
    return answer_error(lock, number, ticket.error()), std::nullopt;
  }
  begun->second.report = std::move(report);
  begun->second.ticket = std::move(*ticket);
  call.stop = begun->second.stop.get_token();
  return call;
}

// An answer to what was never begun.
void SessionStream::answer_error(std::unique_lock<std::mutex>& lock, std::uint64_t number,
                                 const Error& error) {
  add_answer(number, [&](v1::SessionResponse& response) {
    response.set_error(remote::to_status_bytes(error));
  });
  go_on(lock);
}

void SessionStream::append(std::uint64_t number, CallOptions call, v1::AppendRequest& request) {
  auto taken = remote::take_append(request);
  if (!taken) return refuse(number, taken.error());
  stamp(*taken, call.context);
  taken->call = std::move(call);
  taken->limits = logs_.limits();
  auto shared = std::make_shared<AppendRequest>(std::move(taken).value());
  logs_.find(request.log(),
             [self = shared_from_this(), number, shared](Result<std::shared_ptr<EventStore>> log) {
               if (!log) return self->refuse(number, log.error());
               (*log)->append(std::move(*shared), [self, number](Result<Appended> appended) {
                 if (!appended) return self->refuse(number, appended.error());
                 self->answer(number, nullptr, [&](v1::SessionResponse& response) {
                   remote::to_proto(*appended, *response.mutable_append());
                 });
               });
             });
}

void SessionStream::read(std::uint64_t number, CallOptions call, v1::SessionRead& request) {
  auto read = remote::from_proto(request.read());
  if (!read) return refuse(number, read.error());
  read->call = std::move(call);
  read->limits = logs_.limits();
  read->may_answer_here = reads_taken_++ < reads_here_max;
  std::unique_lock lock(mutex_);
  waiting_reads_.push_back({number, std::move(*request.mutable_read()->mutable_log()),
                            std::make_shared<ReadRequest>(std::move(read).value())});
  begin_reads(lock);
}

// With the lock held.
bool SessionStream::may_begin_read() const {
  return reads_under_way_ < reads_under_way_max && waiting_bytes_ < waiting_bytes_max;
}

// With the lock held, but not while a read begins: that may be answered at once.
void SessionStream::begin_reads(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(beginning_reads_, true)) return;
  while (!waiting_reads_.empty() && may_begin_read()) {
    auto read = std::move(waiting_reads_.front());
    waiting_reads_.pop_front();
    ++reads_under_way_;
    outstanding_.at(read.number).read_under_way = true;
    lock.unlock();
    begin_read(read);
    lock.lock();
  }
  beginning_reads_ = false;
}

void SessionStream::begin_read(const Read& read) {
  logs_.find(read.log, [self = shared_from_this(), number = read.number,
                        request = read.request](Result<std::shared_ptr<EventStore>> log) {
    if (!log) return self->refuse(number, log.error());
    (*log)->read_step(std::move(*request), [self, number](Result<ReadStep> step) {
      if (!step) return self->refuse(number, step.error());
      auto wire = remote::to_wire(std::move(step).value());
      self->answer(number, nullptr,
                   [&](v1::SessionResponse& response) { response.set_read(std::move(wire)); });
    });
  });
}

void SessionStream::head(std::uint64_t number, CallOptions call, const std::string& name) {
  logs_.find(name, [self = shared_from_this(), number,
                    call = std::move(call)](Result<std::shared_ptr<EventStore>> log) {
    if (!log) return self->refuse(number, log.error());
    (*log)->head(call, [self, number](Result<Position> head) {
      if (!head) return self->refuse(number, head.error());
      self->answer(number, nullptr, [&](v1::SessionResponse& response) {
        response.mutable_head()->set_position(head->value);
      });
    });
  });
}

void SessionStream::cancel(std::uint64_t number) {
  std::stop_source stop(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    const auto found = outstanding_.find(number);
    if (found != outstanding_.end()) stop = found->second.stop;
  }
  stop.request_stop();
}

void SessionStream::refuse(std::uint64_t number, const Error& error) {
  answer(number, &error, [&](v1::SessionResponse& response) {
    response.set_error(remote::to_status_bytes(error));
  });
}

template <class Fill>
void SessionStream::answer(std::uint64_t number, const Error* error, Fill fill) {
  std::unique_lock lock(mutex_);
  if (const auto begun = outstanding_.find(number); begun != outstanding_.end()) {
    reports_.end(begun->second.report, error);
    if (begun->second.read_under_way) --reads_under_way_;
    outstanding_.erase(begun);
  }
  add_answer(number, fill);
  go_on(lock);
}

// With the lock held; go_on() is to follow.
template <class Fill>
void SessionStream::add_answer(std::uint64_t number, Fill fill) {
  if (broken_ || finished_) return;
  if (waiting_.empty() || waiting_.back().bytes >= message_bytes_max) waiting_.emplace_back();
  auto& message = waiting_.back();
  auto& response = *message.responses.add_responses();
  response.set_number(number);
  fill(response);
  const auto bytes = response.ByteSizeLong();
  message.bytes += bytes;
  waiting_bytes_ += bytes;
}

// With the lock held, but not while a message is written: whatever is possible now.
void SessionStream::go_on(std::unique_lock<std::mutex>& lock) {
  const bool write = take_message();
  if (!reading_ && may_read()) {
    reading_ = true;
    call_.read(in_);
  }
  finish_if_over();
  if (write) {
    // The call cannot be finished meanwhile.
    lock.unlock();
    call_.write(out_);
    lock.lock();
  }
  begin_reads(lock);
}

// With the lock held: true when there is a message to write now.
bool SessionStream::take_message() {
  if (writing_ || waiting_.empty()) return false;
  auto& message = waiting_.front();
  if (Batching::active() && message.bytes < message_bytes_max) {
    // More answers are at hand: they go in one message.
    if (!std::exchange(write_put_off_, true)) {
      Batching::at_end([self = shared_from_this()] {
        std::unique_lock lock(self->mutex_);
        self->write_put_off_ = false;
        self->go_on(lock);
      });
    }
    return false;
  }
  writing_ = true;
  waiting_bytes_ -= message.bytes;
  out_ = std::move(message.responses);
  waiting_.pop_front();
  return true;
}

// With the lock held: nobody takes any more answers.
void SessionStream::break_off() {
  broken_ = true;
  waiting_.clear();
  waiting_bytes_ = 0;
}

void SessionStream::OnWriteDone(bool ok) {
  const auto self = shared_from_this();
  std::unique_lock lock(mutex_);
  writing_ = false;
  if (!ok) break_off();
  go_on(lock);
}

// With the lock held.
void SessionStream::finish_if_over() {
  const bool over = no_more_requests_ || draining_;
  if (finished_ || !over || writing_ || !outstanding_.empty() || !waiting_.empty()) return;
  finished_ = true;
  report_.end(last_.error_code());
  call_.finish(last_);
}

void SessionStream::OnCancel() {
  const auto self = shared_from_this();
  std::vector<std::stop_source> outstanding;
  {
    const std::lock_guard lock(mutex_);
    break_off();
    for (const auto& [number, begun] : outstanding_) outstanding.push_back(begun.stop);
  }
  // What is still waiting is given up; a commit under way is not.
  for (auto& stop : outstanding) stop.request_stop();
  std::unique_lock lock(mutex_);
  go_on(lock);
}

void SessionStream::OnDone() {
  std::shared_ptr<SessionStream> self;
  const std::lock_guard lock(mutex_);
  ticket_.leave();
  report_.end(grpc::StatusCode::CANCELLED);  // if it has not ended before
  self = std::move(self_);
}

}  // namespace weir::server
