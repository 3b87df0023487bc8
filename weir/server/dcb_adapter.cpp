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

/// What the routes work with. Requests may end after the server that they came to.
struct Parts {
  std::shared_ptr<EventStore> log;
  std::shared_ptr<const Access> access;
  std::shared_ptr<Admission> admission;
  std::shared_ptr<const RequestLimits> limits;
};

/// One answer to GET /read: each step of the read is asked for once the socket has taken the last.
class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(Parts parts, ReadRequest request, Exchange exchange, Admission::Ticket ticket)
      : parts_(std::move(parts)),
        request_(std::move(request)),
        exchange_(std::move(exchange)),
        ticket_(std::move(ticket)) {
    request_.limits = parts_.limits->now();
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
    parts_.log->read_step(request_, [self = shared_from_this()](Result<ReadStep> step) {
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
    move_past(step, request_);
    if (!request_.until) request_.until = step.head;
    if (text.empty()) return read_on();
    exchange_->write(std::move(text), [self = shared_from_this()] { self->read_on(); });
  }

  const Parts parts_;
  ReadRequest request_;
  const Exchange exchange_;
  std::stop_source stop_;
  bool opened_ = false;
  const Admission::Ticket ticket_;
};

void read(const Parts& parts, const gateway::HttpRequest& http, const Exchange& exchange) {
  auto ticket = parts.admission->stream(http.peer, http.query.size());
  if (!ticket) return exchange->respond(gateway::error_response(ticket.error()));
  auto request = parse_dcb_read(http.query);
  if (!request) return exchange->respond(gateway::error_response(request.error()));
  std::make_shared<Reading>(parts, std::move(*request), exchange, std::move(*ticket))->start();
}

void append(const Parts& parts, const gateway::HttpRequest& http, const Exchange& exchange) {
  auto ticket = parts.admission->call(http.peer, http.body.size());
  if (!ticket) return exchange->respond(gateway::error_response(ticket.error()));
  if (const auto refused = http.not_json()) {
    return exchange->respond(
        gateway::error_response(Error{.code = Code::invalid_argument, .message = *refused}, 415));
  }
  auto request = parse_dcb_append(http.body);
  if (!request) return exchange->respond(gateway::error_response(request.error()));
  request->limits = parts.limits->now();
  const auto begun = system_clock().instant();
  parts.log->append(std::move(*request), [exchange, begun, parts, ticket = std::move(*ticket)](
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
                                               std::shared_ptr<Admission> admission,
                                               std::shared_ptr<const RequestLimits> limits) {
  using Request = gateway::HttpRequest;
  using Work = void (*)(const Parts&, const Request&, const Exchange&);
  const Parts parts{.log = std::move(log),
                    .access = std::move(access),
                    .admission = std::move(admission),
                    .limits = std::move(limits)};
  const auto guarded = [&parts](security::Right right, Work work) {
    return [parts, right, work](const Request& request, const Exchange& exchange) {
      const auto caller =
          parts.access->caller(request.header("Authorization"), "http:" + request.peer);
      const auto may = caller.may(right, parts.log->info().name, request.context);
      if (!may) return exchange->respond(gateway::error_response(may.error()));
      work(parts, request, exchange);
    };
  };
  return {{"GET", "/read", guarded(security::Right::read, read)},
          {"POST", "/append", guarded(security::Right::append, append)}};
}

}  // namespace weir::server
