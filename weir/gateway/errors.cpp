#include <weir/gateway/errors.hpp>

#include <cmath>

#include <fmt/format.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/error_info.pb.h>
#include <google/rpc/status.pb.h>

#include <weir/base/json.hpp>

namespace weir::gateway {
namespace {

struct Details {
  std::string reason;
  std::map<std::string, std::string> metadata;
  std::optional<double> retry_after_seconds;
};

Details details_of(const grpc::Status& status) {
  Details out;
  google::rpc::Status packed;
  // gRPC says this of itself.
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    out.reason = name_of(Reason::deadline_passed);
  }
  // Other protocols put other bytes here; what is not this status has no details for us.
  if (!packed.ParseFromString(status.error_details()) ||
      packed.code() != static_cast<int>(status.error_code())) {
    return out;
  }
  for (const auto& any : packed.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) {
      out.reason = info.reason();
      out.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (any.UnpackTo(&retry)) {
      out.retry_after_seconds = static_cast<double>(retry.retry_delay().seconds()) +
                                static_cast<double>(retry.retry_delay().nanos()) / 1e9;
    }
  }
  return out;
}

/// Messages come from servers; they must not break the document.
std::string printable(const std::string& text) {
  if (is_utf8(text)) return text;
  std::string out = text;
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return out;
}

std::string body_of(const grpc::Status& status, int http, const Details& details) {
  const auto code = name_of(static_cast<Code>(status.error_code()));
  std::string out = fmt::format(R"({{"error":{{"code":"{}","status":{},"message":)", code, http);
  append_json_string(out, printable(status.error_message()));
  if (!details.reason.empty()) {
    out += R"(,"reason":)";
    append_json_string(out, details.reason);
  }
  if (!details.metadata.empty()) {
    out += R"(,"details":{)";
    for (const auto& [key, value] : details.metadata) {
      if (out.back() != '{') out += ',';
      append_json_string(out, key);
      out += ':';
      append_json_string(out, value);
    }
    out += '}';
  }
  if (details.retry_after_seconds) {
    out += fmt::format(R"(,"retryAfterSeconds":{})", *details.retry_after_seconds);
  }
  return out + "}}";
}

}  // namespace

int http_status(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return 200;
    case grpc::StatusCode::CANCELLED:
      return 499;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
      return 400;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return 504;
    case grpc::StatusCode::NOT_FOUND:
      return 404;
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::ABORTED:
      return 409;
    case grpc::StatusCode::PERMISSION_DENIED:
      return 403;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return 429;
    case grpc::StatusCode::UNIMPLEMENTED:
      return 501;
    case grpc::StatusCode::UNAVAILABLE:
      return 503;
    case grpc::StatusCode::UNAUTHENTICATED:
      return 401;
    default:
      return 500;
  }
}

std::string error_json(const grpc::Status& status, int http) {
  return body_of(status, http != 0 ? http : http_status(status.error_code()), details_of(status));
}

HttpResponse error_response(const grpc::Status& status, int http) {
  const auto details = details_of(status);
  HttpResponse response;
  response.status = http != 0 ? http : http_status(status.error_code());
  response.headers.push_back({"Content-Type", "application/json"});
  if (details.retry_after_seconds) {
    const auto seconds = static_cast<std::int64_t>(std::ceil(*details.retry_after_seconds));
    response.headers.push_back({"Retry-After", std::to_string(std::max<std::int64_t>(seconds, 0))});
  }
  if (response.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  response.body = body_of(status, response.status, details);
  return response;
}

grpc::Status to_status(const Error& error) {
  google::rpc::Status packed;
  packed.set_code(static_cast<int>(error.code));
  packed.set_message(error.message);
  google::rpc::ErrorInfo info;
  if (error.reason != Reason::unspecified) info.set_reason(std::string(name_of(error.reason)));
  info.set_domain("weir");
  info.mutable_metadata()->insert(error.details.begin(), error.details.end());
  packed.add_details()->PackFrom(info);
  if (error.retry_after) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(error.retry_after->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int>(error.retry_after->count() % 1000 * 1'000'000));
    packed.add_details()->PackFrom(retry);
  }
  return {static_cast<grpc::StatusCode>(error.code), error.message, packed.SerializeAsString()};
}

HttpResponse error_response(const Error& error, int http) {
  return error_response(to_status(error), http);
}

}  // namespace weir::gateway
