#include <weir/gateway/router.hpp>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weir/base/excerpt.hpp>
#include <weir/base/json.hpp>
#include <weir/gateway/errors.hpp>

namespace weir::gateway {

void Router::add(std::string method, std::string path, Handler handler) {
  exact_[std::move(path)][std::move(method)] = std::move(handler);
}

void Router::add(std::string method, PathTemplate path, TemplateHandler handler) {
  const auto place = std::find_if(templates_.begin(), templates_.end(), [&](const auto& route) {
    return path.more_specific_than(route.path);
  });
  auto route = path.simple();
  templates_.insert(place,
                    {std::move(method), std::move(path), std::move(route), std::move(handler)});
}

void Router::handle(HttpRequest request, std::shared_ptr<Exchange> exchange) const {
  const auto method = request.method == "HEAD" ? "GET" : request.method;
  if (const auto path = exact_.find(request.path); path != exact_.end()) {
    if (const auto found = path->second.find(method); found != path->second.end()) {
      exchange->matched(path->first);
      return found->second(std::move(request), std::move(exchange));
    }
  }
  for (const auto& route : templates_) {
    if (route.method != method) continue;
    if (const auto bindings = route.path.match(request.path)) {
      exchange->matched(route.route);
      return route.handler(std::move(request), *bindings, std::move(exchange));
    }
  }
  refuse(request, *exchange);
}

void Router::refuse(const HttpRequest& request, Exchange& exchange) const {
  std::set<std::string> allowed;
  if (const auto path = exact_.find(request.path); path != exact_.end()) {
    for (const auto& [method, handler] : path->second) allowed.insert(method);
  }
  for (const auto& route : templates_) {
    if (!allowed.contains(route.method) && route.path.match(request.path)) {
      allowed.insert(route.method);
    }
  }
  if (allowed.contains("GET")) allowed.insert("HEAD");
  if (!allowed.empty()) allowed.insert("OPTIONS");
  const auto allow = fmt::format("{}", fmt::join(allowed, ", "));
  if (request.method == "OPTIONS" && (!allowed.empty() || request.path == "*")) {
    return exchange.respond({.status = 204, .headers = {{"Allow", allow}}, .body = {}});
  }
  const std::string path = is_utf8(request.path) ? excerpt(request.path, 256) : "this path";
  if (allowed.empty()) {
    return exchange.respond(error_response(
        Error{.code = Code::not_found, .message = fmt::format("nothing is at {}", path)}));
  }
  auto response = error_response(
      Error{.code = Code::unimplemented,
            .message = fmt::format("{} takes {}, not {}", path, allow, request.method)},
      405);
  response.headers.push_back({"Allow", allow});
  exchange.respond(std::move(response));
}

}  // namespace weir::gateway
