#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <weir/gateway/http.hpp>
#include <weir/gateway/path_template.hpp>

namespace weir::gateway {

/// Finds the handler for a method and a path: exact paths first, then templates, the more literal
/// ones before the others. HEAD is answered as GET. Answers itself what it finds nothing for: 404,
/// 405 with Allow, OPTIONS.
/// Threads: add() before the first handle(); handle() any.
class Router {
 public:
  using TemplateHandler =
      std::function<void(HttpRequest, const PathTemplate::Bindings&, std::shared_ptr<Exchange>)>;

  void add(std::string method, std::string path, Handler handler);
  void add(std::string method, PathTemplate path, TemplateHandler handler);

  void handle(HttpRequest request, std::shared_ptr<Exchange> exchange) const;

 private:
  struct TemplateRoute {
    std::string method;
    PathTemplate path;
    std::string route;
    TemplateHandler handler;
  };

  void refuse(const HttpRequest& request, Exchange& exchange) const;

  std::map<std::string, std::map<std::string, Handler>, std::less<>> exact_;
  std::vector<TemplateRoute> templates_;
};

}  // namespace weir::gateway
