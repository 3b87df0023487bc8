#include <weir/server/health.hpp>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::server {
namespace {

/// How long a store may take to say where its head is.
constexpr std::chrono::seconds patience{2};

gateway::HttpResponse answer(int status, const std::string& body) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = body + "\n"};
}

gateway::HttpResponse not_ready(const Error& error) {
  std::string body = "{\"status\":\"not ready\",\"reason\":";
  append_json_string(body, error.message);
  return answer(503, body + "}");
}

}  // namespace

std::vector<gateway::Route> Health::routes() const {
  using Request = gateway::HttpRequest;
  using Exchange = std::shared_ptr<gateway::Exchange>;
  return {
      {"GET", "/health/live",
       [](Request, const Exchange& exchange) {
         exchange->respond(answer(200, "{\"status\":\"live\"}"));
       }},
      {"GET", "/health/ready",
       [state = state_](Request, const Exchange& exchange) {
         if (state->stopping) return exchange->respond(not_ready(shutting_down()));
         state->log->head({.deadline = system_clock().instant() + patience},
                          [exchange](Result<Position> head) {
                            if (!head) return exchange->respond(not_ready(head.error()));
                            exchange->respond(answer(
                                200, fmt::format("{{\"status\":\"ready\",\"head\":{}}}",
                                                 head->value)));
                          });
       }},
  };
}

}  // namespace weir::server
