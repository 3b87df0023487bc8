#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>
#include <weir/v1/log.pb.h>

#include <weir/base/result.hpp>
#include <weir/store/event_store.hpp>

namespace weir::remote {

// Between weir.v1 messages and the library's types. Both sides of the wire use these.

/// With google.rpc.Status in the details: ErrorInfo (reason, domain "weir", metadata) and
/// RetryInfo.
grpc::Status to_status(const Error& error);
/// A status without our details becomes an Error of its code; when that is UNAVAILABLE, no server
/// has answered, and `server` of the details is "unreachable".
Error from_status(const grpc::Status& status);
/// The serialized google.rpc.Status by itself, as in SessionResponse.error.
std::string to_status_bytes(const Error& error);
Error from_status_bytes(std::string_view bytes);

google::protobuf::Timestamp to_proto(Timestamp time);
/// Errors: invalid_argument outside of years 1 to 9999. Below a microsecond is cut.
Result<Timestamp> from_proto(const google::protobuf::Timestamp& time, std::string_view field);

void to_proto(const Query& query, v1::Query& out);
Query from_proto(const v1::Query& query);

void to_proto(const Event& event, v1::Event& out);

/// Takes the texts out of the message. Errors: invalid_argument (an id that is no UUID, a time).
Result<AppendRequest> take_append(v1::AppendRequest& request);
void to_proto(const AppendRequest& request, const std::string& log, v1::AppendRequest& out);
void to_proto(const Appended& appended, v1::AppendResponse& out);
Appended from_proto(const v1::AppendResponse& response);

/// Joins the flat types, tags and where into a query of one item.
/// Errors: invalid_argument (both forms of a query, both `after` and `from`, where without "=").
Result<ReadRequest> from_proto(const v1::ReadRequest& request);
void to_proto(const ReadRequest& request, const std::string& log, v1::ReadRequest& out);
/// What from_head asks for is the caller's to look up.
Result<SubscribeRequest> from_proto(const v1::SubscribeRequest& request);
void to_proto(const SubscribeRequest& request, const std::string& log, v1::SubscribeRequest& out);

/// A serialized ReadResponse or SubscribeResponse, without taking the events apart.
std::string to_wire(ReadStep step);
std::string to_wire(SubscriptionStep step);
grpc::ByteBuffer to_buffer(std::string wire);
Result<ReadStep> read_step_from_wire(std::string wire);
Result<SubscriptionStep> subscription_step_from_wire(std::string wire);

/// Without the limits.
void to_proto(const LogInfo& info, v1::Log& out);
void to_proto(const Limits& limits, v1::Log& out);
LogInfo from_proto(const v1::Log& log);

/// "default" for an empty name.
std::string log_name(const std::string& name);

}  // namespace weir::remote
