#include <google/rpc/error_details.pb.h>
#include <google/rpc/error_info.pb.h>
#include <google/rpc/status.pb.h>

#include <array>

#include <weir/v1/errors.pb.h>
#include <weir/store/remote/convert.hpp>

namespace weir::remote {
namespace {

constexpr const char* domain = "weir";
constexpr int reasons_max = 20;

google::rpc::Status to_rpc(const Error& error) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(error.code));
  status.set_message(error.message);
  google::rpc::ErrorInfo info;
  info.set_domain(domain);
  info.set_reason(std::string(name_of(error.reason)));
  for (const auto& [key, value] : error.details) (*info.mutable_metadata())[key] = value;
  status.add_details()->PackFrom(info);
  if (error.retry_after) {
    google::rpc::RetryInfo retry;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*error.retry_after);
    retry.mutable_retry_delay()->set_seconds(seconds.count());
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int>(std::chrono::nanoseconds(*error.retry_after - seconds).count()));
    status.add_details()->PackFrom(retry);
  }
  return status;
}

Error from_rpc(const google::rpc::Status& status) {
  Error error{.code = status.code() >= 1 && status.code() <= 16 ? static_cast<Code>(status.code())
                                                                : Code::unknown,
              .message = status.message()};
  for (const auto& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info) && info.domain() == domain) {
      for (int i = 0; i <= reasons_max; ++i) {
        if (name_of(static_cast<Reason>(i)) == info.reason()) error.reason = static_cast<Reason>(i);
      }
      for (const auto& [key, value] : info.metadata()) error.details[key] = value;
    } else if (detail.UnpackTo(&retry)) {
      error.retry_after = std::chrono::seconds(retry.retry_delay().seconds()) +
                          std::chrono::milliseconds(retry.retry_delay().nanos() / 1'000'000);
    }
  }
  return error;
}

/// Of what gRPC itself says.
Reason reason_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::DEADLINE_EXCEEDED:
      return Reason::deadline_passed;
    case grpc::CANCELLED:
      return Reason::caller_cancelled;
    case grpc::UNAVAILABLE:
      return Reason::engine_unavailable;
    default:
      return Reason::unspecified;
  }
}

}  // namespace

static_assert(static_cast<int>(Reason::log_rewound) == v1::LOG_REWOUND &&
                  v1::ErrorReason_MAX == v1::LOG_REWOUND && v1::LOG_REWOUND == reasons_max,
              "weir::Reason and errors.proto must name the same reasons");

grpc::Status to_status(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code), error.message,
          to_rpc(error).SerializeAsString()};
}

Error from_status(const grpc::Status& status) {
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details()) &&
      details.code() == static_cast<int>(status.error_code())) {
    return from_rpc(details);
  }
  Error error{.code = static_cast<Code>(status.error_code()),
              .reason = reason_of(status.error_code()),
              .message = status.error_message()};
  // A server says more than gRPC does.
  if (error.code == Code::unavailable) error.details.emplace("server", "unreachable");
  return error;
}

std::string to_status_bytes(const Error& error) {
  return to_rpc(error).SerializeAsString();
}

Error from_status_bytes(std::string_view bytes) {
  google::rpc::Status status;
  if (!status.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return internal_bug("the server's error can't be read");
  }
  return from_rpc(status);
}

}  // namespace weir::remote
