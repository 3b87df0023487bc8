#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/store/event_store.hpp>

/// The messages of umadb.v1, to and from the wire without message objects between.
namespace weir::server::umadb {

/// Clients of this protocol take no larger message, so none is taken from them: what they append
/// they must be able to read.
inline constexpr std::size_t message_bytes_max = 4 << 20;

/// What came to be one message, in one piece. Errors: out_of_range past message_bytes_max.
Result<grpc::Slice> flatten(const grpc::ByteBuffer& buffer);
inline std::string_view view(const grpc::Slice& slice) {
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

// Errors of all: internal when it is no such message.

/// Errors: data_loss when an event's uuid is none.
Result<AppendRequest> parse_append(std::string_view message);
/// Errors: invalid_argument when it asks to subscribe, which Read used to do.
Result<ReadRequest> parse_read(std::string_view message);
/// Nothing when it asks for what comes after the last position that there can be.
Result<std::optional<SubscribeRequest>> parse_subscribe(std::string_view message);
/// The source of a TrackingRequest.
Result<std::string> parse_tracking(std::string_view message);
/// A HeadRequest says nothing.
Result<void> parse_head(std::string_view message);

/// An AppendResponse, HeadResponse or TrackingResponse: one number, or nothing.
grpc::ByteBuffer position_response(std::optional<std::uint64_t> position);

/// With a serialized umadb.v1.ErrorResponse as the details, where there is a type for the error.
grpc::Status to_status(const Error& error);

/// Packs the events of batches into ReadResponses and SubscribeResponses, which begin alike.
class Packer {
 public:
  /// A message is full with so many events.
  explicit Packer(std::size_t events_max) : events_max_(events_max) {}

  /// Gives it a batch to pack. The one before must have been packed.
  void hold(Batch batch);
  /// Packs what it holds. True when the message is full; the rest stays held then.
  bool pack();

  bool empty() const { return events_ == 0; }
  /// Position of the last event in the message.
  std::optional<std::uint64_t> last() const { return last_; }
  /// The message, with a head if there is one, and begins another.
  grpc::ByteBuffer take(std::optional<std::uint64_t> head);

 private:
  const std::size_t events_max_;
  std::string held_;
  std::size_t held_at_ = 0;
  std::string message_;
  std::size_t events_ = 0;
  std::optional<std::uint64_t> last_;
};

}  // namespace weir::server::umadb
