#pragma once

#include <string>
#include <vector>

#include <weir/gateway/comments.hpp>
#include <weir/gateway/rest.hpp>

namespace weir::gateway {

struct OpenApiInfo {
  std::string title;
  std::string version;
  std::string description;
};

/// An OpenAPI 3.1 document of these bindings, as JSON: paths, parameters, schemas, errors, and for
/// server streams the JSON, NDJSON and SSE forms. Threads: any.
std::string make_openapi(const OpenApiInfo& info, const std::vector<RestBinding>& bindings,
                         const Comments& comments);

}  // namespace weir::gateway
