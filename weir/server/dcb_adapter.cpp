#include <weir/server/dcb_adapter.hpp>

#include <chrono>
#include <stop_token>

#include <fmt/format.h>

#include <weir/gateway/errors.hpp>
#include <weir/server/dcb_adapter_json.hpp>

namespace weir::server {
namespace {

using gateway::Ending;
using Exchange = std::shared_ptr<gateway::Exchange>;

/// How much of an answer is in memory at a time.
constexpr std::size_t piece_bytes = 256 << 10;

const gateway::Header json_header{"Content-Type", "application/json"};

/// One answer to GET /read: each step of the read is asked for once the socket has taken the last.
class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(std::shared_ptr<EventStore> log, ReadRequest request, Exchange exchange,
          std::shared_ptr<Admission> admission, Admission::Ticket ticket)
      : log_(std::move(log)),
        request_(std::move(request)),
        exchange_(std::move(exchange)),
        admission_(std::move(admission)),
        ticket_(std::move(ticket)) {
    request_.batch_bytes_max = piece_bytes;
    request_.call.stop = stop_.get_token();
  }

  void start() {
    exchange_->on_ending([weak = weak_from_this()](Ending ending) {
      const auto reading = weak.lock();
      if (reading && ending == Ending::client_gone) reading->stop_.request_stop();
    });
    exchange_->begin({.status = 200, .headers = {json_header}, .filler = " ", .filler_every = {}},
                     std::nullopt);
    read_on();
  }

 private:
  void read_on() {
    log_->read_step(request_, [self = shared_from_this()](Result<ReadStep> step) {
      if (!step) return self->exchange_->fail(gateway::error_response(step.error()), std::nullopt);
      self->write(*step);
    });
  }

  void write(const ReadStep& step) {
    std::string text;
    for (const auto& event : step.batch) {
      text += opened_ ? "," : "[";
      opened_ = true;
      append_dcb_event(text, event);
    }
    if (step.end) {
      text += opened_ ? "]" : "[]";
      exchange_->write(std::move(text), nullptr);
      return exchange_->end();
    }
    if (request_.limit) *request_.limit -= step.batch.size();
    if (request_.direction == Direction::forwards) {
      request_.after = step.cursor;
      if (!request_.until) request_.until = step.head;
    } else {
      request_.until = step.cursor.previous();
    }
    if (text.empty()) return read_on();
    exchange_->write(std::move(text), [self = shared_from_this()] { self->read_on(); });
  }

  const std::shared_ptr<EventStore> log_;
  ReadRequest request_;
  const Exchange exchange_;
  std::stop_source stop_;
  bool opened_ = false;
  /// A read may end after the server that it came to.
  const std::shared_ptr<Admission> admission_;
  const Admission::Ticket ticket_;
};

void read(const std::shared_ptr<EventStore>& log, const std::shared_ptr<Admission>& admission,
          const gateway::HttpRequest& http, const Exchange& exchange) {
  auto ticket = admission->stream(http.peer, http.query.size());
  if (!ticket) return exchange->respond(gateway::error_response(ticket.error()));
  auto request = parse_dcb_read(http.query);
  if (!request) return exchange->respond(gateway::error_response(request.error()));
  std::make_shared<Reading>(log, std::move(*request), exchange, admission, std::move(*ticket))
      ->start();
}

void append(const std::shared_ptr<EventStore>& log, const std::shared_ptr<Admission>& admission,
            const gateway::HttpRequest& http, const Exchange& exchange) {
  auto ticket = admission->call(http.peer, http.body.size());
  if (!ticket) return exchange->respond(gateway::error_response(ticket.error()));
  if (!is_json(http.content_type())) {
    return exchange->respond(
        gateway::error_response(invalid_field("Content-Type", "expected application/json"), 415));
  }
  auto request = parse_dcb_append(http.body);
  if (!request) return exchange->respond(gateway::error_response(request.error()));
  const auto begun = system_clock().instant();
  log->append(std::move(*request), [exchange, begun, admission, ticket = std::move(*ticket)](
                                       Result<Appended> appended) mutable {
    ticket.leave();
    const bool conflict = !appended && appended.error().code == Code::aborted;
    if (!appended && !conflict) {
      return exchange->respond(gateway::error_response(appended.error()));
    }
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(system_clock().instant() - begun);
    exchange->respond(
        {.status = 200,
         .headers = {json_header},
         .body = fmt::format("{{\"durationInMicroseconds\":{},\"appendConditionFailed\":{}}}",
                             took.count(), conflict)});
  });
}

}  // namespace

std::vector<gateway::Route> dcb_adapter_routes(std::shared_ptr<EventStore> log,
                                               std::shared_ptr<const Access> access,
                                               std::shared_ptr<Admission> admission) {
  using Request = gateway::HttpRequest;
  using Work = void (*)(const std::shared_ptr<EventStore>&, const std::shared_ptr<Admission>&,
                        const Request&, const Exchange&);
  const auto guarded = [log, access, admission](security::Right right, Work work) {
    return [log, access, admission, right, work](const Request& request, const Exchange& exchange) {
      const auto caller = access->caller(request.header("Authorization"), "http:" + request.peer);
      const auto may = caller.may(right, log->info().name, request.context);
      if (!may) return exchange->respond(gateway::error_response(may.error()));
      work(log, admission, request, exchange);
    };
  };
  return {{"GET", "/read", guarded(security::Right::read, read)},
          {"POST", "/append", guarded(security::Right::append, append)}};
}

}  // namespace weir::server
