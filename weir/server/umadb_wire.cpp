#include <weir/server/umadb_wire.hpp>

#include <fmt/format.h>
#include <umadb/v1/umadb.pb.h>
#include <weir/v1/log.pb.h>

#include <weir/base/json.hpp>
#include <weir/store/remote/convert.hpp>
#include <weir/store/wire.hpp>

namespace weir::server::umadb {
namespace {

namespace theirs = ::umadb::v1;
using wire::Reader;
using wire::Type;

constexpr std::uint32_t batch_size_default = 1024;
constexpr std::uint32_t batch_size_max = 4096;
/// Larger messages are split, so that they stay well below message_bytes_max.
constexpr std::size_t packed_bytes_max = 2 << 20;
constexpr std::size_t read_bytes_max = 1 << 20;

Error malformed(std::string_view message) {
  return {.code = Code::internal,
          .reason = Reason::invalid_field,
          .message = fmt::format("the request can't be read as a umadb.v1.{}", message)};
}

/// Also as URN or in braces, both with hyphens.
std::optional<Uuid> parse_any_uuid(std::string_view text) {
  constexpr std::string_view urn = "urn:uuid:";
  constexpr std::size_t bytes = 36;
  if (text.size() == urn.size() + bytes && text.starts_with(urn)) {
    text.remove_prefix(urn.size());
  } else if (text.size() == bytes + 2 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, bytes);
  }
  return parse_uuid(text);
}

bool parse(std::string_view message, MetadataEntry& entry) {
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::MetadataEntry::kKeyFieldNumber, Type::bytes))
      entry.key = reader.bytes();
    if (reader.expect(theirs::MetadataEntry::kValueFieldNumber, Type::bytes)) {
      entry.value = reader.bytes();
    }
  }
  return reader.ok();
}

bool parse(std::string_view message, Event& event, std::string_view& uuid) {
  event.content_type = "application/octet-stream";
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::Event::kEventTypeFieldNumber, Type::bytes)) {
      event.type = reader.bytes();
    } else if (reader.expect(theirs::Event::kTagsFieldNumber, Type::bytes)) {
      event.tags.emplace_back(reader.bytes());
    } else if (reader.expect(theirs::Event::kDataFieldNumber, Type::bytes)) {
      event.data = reader.bytes();
    } else if (reader.expect(theirs::Event::kUuidFieldNumber, Type::bytes)) {
      uuid = reader.bytes();
    } else if (reader.expect(theirs::Event::kMetadataFieldNumber, Type::bytes)) {
      if (!parse(reader.bytes(), event.metadata.emplace_back())) return false;
    }
  }
  return reader.ok();
}

bool parse(std::string_view message, QueryItem& item) {
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::QueryItem::kTypesFieldNumber, Type::bytes)) {
      item.types.emplace_back(reader.bytes());
    }
    if (reader.expect(theirs::QueryItem::kTagsFieldNumber, Type::bytes)) {
      item.tags.emplace_back(reader.bytes());
    }
  }
  return reader.ok();
}

bool parse(std::string_view message, Query& query) {
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::Query::kItemsFieldNumber, Type::bytes) &&
        !parse(reader.bytes(), query.items.emplace_back())) {
      return false;
    }
  }
  return reader.ok();
}

/// No engine keeps a position past position_max, so that one stands for all beyond it.
bool parse(std::string_view message, Condition& condition) {
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::AppendCondition::kFailIfEventsMatchFieldNumber, Type::bytes) &&
        !parse(reader.bytes(), condition.fail_if_events_match)) {
      return false;
    }
    if (reader.expect(theirs::AppendCondition::kAfterFieldNumber, Type::varint)) {
      condition.after = to_position(reader.number());
    }
  }
  return reader.ok();
}

bool parse(std::string_view message, Tracking& tracking) {
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::TrackingInfo::kSourceFieldNumber, Type::bytes)) {
      tracking.source = reader.bytes();
    }
    if (reader.expect(theirs::TrackingInfo::kPositionFieldNumber, Type::varint)) {
      tracking.position = reader.number();
    }
  }
  return reader.ok();
}

std::size_t batch_size(std::uint64_t wanted) {
  const auto number = static_cast<std::uint32_t>(wanted);
  return std::clamp<std::uint32_t>(number, 1, batch_size_max);
}

void append_number(std::string& out, std::uint32_t field, std::uint64_t number) {
  char bytes[20];
  char* end = wire::put_varint(bytes, wire::key(field, Type::varint));
  end = wire::put_varint(end, number);
  out.append(bytes, end);
}

/// Their number of a weir.v1.Event's field that is the same bytes in their Event; 0 for others.
std::uint32_t field_in_event(const Reader& field) {
  switch (field.field()) {
    case v1::Event::kTypeFieldNumber:
      return theirs::Event::kEventTypeFieldNumber;
    case v1::Event::kTagsFieldNumber:
      return theirs::Event::kTagsFieldNumber;
    case v1::Event::kDataFieldNumber:
      return theirs::Event::kDataFieldNumber;
    case v1::Event::kIdFieldNumber:
      return theirs::Event::kUuidFieldNumber;
    case v1::Event::kMetadataFieldNumber:
      return theirs::Event::kMetadataFieldNumber;
    default:
      return 0;
  }
}

/// How a weir.v1.Event will lie in a umadb.v1.SequencedEvent.
struct Layout {
  std::uint64_t position = 0;
  std::size_t event_bytes = 0;
  std::string_view tracking;

  explicit Layout(std::string_view message) {
    Reader reader(message);
    for (const char* at = reader.at(); reader.next(); at = reader.at()) {
      if (field_in_event(reader) != 0) {
        event_bytes += static_cast<std::size_t>(reader.at() - at);
      } else if (reader.field() == v1::Event::kPositionFieldNumber) {
        position = reader.number();
      } else if (reader.field() == v1::Event::kTrackingFieldNumber) {
        tracking = reader.bytes();
      }
    }
  }

  std::size_t bytes() const {
    return 1 + wire::varint_size(position) + wire::field_size(event_bytes) +
           (tracking.empty() ? 0 : wire::field_size(tracking.size()));
  }
};

/// Fields and their lengths take the same bytes in both, so that only the numbers change.
char* put_event(char* out, std::string_view message) {
  Reader reader(message);
  for (const char* at = reader.at(); reader.next(); at = reader.at()) {
    const auto field = field_in_event(reader);
    if (field == 0) continue;
    const auto bytes = static_cast<std::size_t>(reader.at() - at);
    std::memcpy(out, at, bytes);
    *out = static_cast<char>(wire::key(field, Type::bytes));
    out += bytes;
  }
  return out;
}

char* put_sequenced(char* out, std::string_view message, const Layout& layout) {
  out =
      wire::put_varint(out, wire::key(theirs::SequencedEvent::kPositionFieldNumber, Type::varint));
  out = wire::put_varint(out, layout.position);
  out = wire::put_varint(out, wire::key(theirs::SequencedEvent::kEventFieldNumber, Type::bytes));
  out = wire::put_varint(out, layout.event_bytes);
  out = put_event(out, message);
  if (layout.tracking.empty()) return out;
  return wire::put_bytes(out, theirs::SequencedEvent::kTrackingInfoFieldNumber, layout.tracking);
}

struct Kind {
  grpc::StatusCode code;
  std::optional<theirs::ErrorResponse::ErrorType> type;
  const char* prefix;
};

Kind kind_of(const Error& error) {
  using Response = theirs::ErrorResponse;
  switch (error.code) {
    case Code::aborted:
    case Code::failed_precondition:
      return {grpc::FAILED_PRECONDITION, Response::INTEGRITY,
              "integrity error: condition failed: "};
    case Code::invalid_argument:
      return {grpc::INVALID_ARGUMENT, Response::INVALID_ARGUMENT, "invalid argument: "};
    case Code::not_found:
      return {grpc::NOT_FOUND, Response::INVALID_ARGUMENT, "invalid argument: "};
    case Code::data_loss:
      if (error.reason == Reason::invalid_field) {
        return {grpc::DATA_LOSS, Response::CORRUPTION, "deserialization error: "};
      }
      return {grpc::DATA_LOSS, Response::CORRUPTION, "corruption: "};
    case Code::unauthenticated:
      return {grpc::UNAUTHENTICATED, Response::AUTHENTICATION, "authentication error: "};
    case Code::internal:
    case Code::unknown:
      if (error.reason == Reason::invalid_field) return {grpc::INTERNAL, std::nullopt, ""};
      return {grpc::INTERNAL, Response::INTERNAL, "internal error: "};
    default:
      // They have no type for what may be tried again; without one their clients go by the code.
      return {static_cast<grpc::StatusCode>(error.code), std::nullopt, ""};
  }
}

}  // namespace

Result<grpc::Slice> flatten(const grpc::ByteBuffer& buffer) {
  if (buffer.Length() > message_bytes_max) {
    return Error{.code = Code::out_of_range,
                 .reason = Reason::invalid_field,
                 .message = fmt::format("the message has {} bytes, the limit is {}",
                                        buffer.Length(), message_bytes_max)};
  }
  grpc::Slice slice;
  if (buffer.TrySingleSlice(&slice).ok()) return slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return malformed("message");
  return slice;
}

Result<AppendRequest> parse_append(std::string_view message) {
  AppendRequest request;
  request.limits = &umadb_limits();
  request.make_ids = false;
  Reader reader(message);
  while (reader.next()) {
    bool ok = true;
    if (reader.expect(theirs::AppendRequest::kEventsFieldNumber, Type::bytes)) {
      std::string_view uuid;
      auto& event = request.events.emplace_back();
      ok = parse(reader.bytes(), event, uuid) && is_utf8(uuid);
      if (ok && !uuid.empty()) {
        event.id = parse_any_uuid(uuid);
        if (!event.id) {
          return Error{
              .code = Code::data_loss,
              .reason = Reason::invalid_field,
              .message = fmt::format("events[{}].uuid: is not a UUID", request.events.size() - 1)};
        }
      }
    } else if (reader.expect(theirs::AppendRequest::kConditionFieldNumber, Type::bytes)) {
      if (!request.condition) request.condition.emplace();
      ok = parse(reader.bytes(), *request.condition);
    } else if (reader.expect(theirs::AppendRequest::kTrackingInfoFieldNumber, Type::bytes)) {
      if (!request.tracking) request.tracking.emplace();
      ok = parse(reader.bytes(), *request.tracking);
    }
    if (!ok) return malformed("AppendRequest");
  }
  if (!reader.ok()) return malformed("AppendRequest");
  return request;
}

Result<ReadRequest> parse_read(std::string_view message) {
  ReadRequest request{.batch_events_max = batch_size_default, .batch_bytes_max = read_bytes_max};
  request.limits = &umadb_limits();
  std::optional<Position> start;
  bool subscribe = false;
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::ReadRequest::kQueryFieldNumber, Type::bytes)) {
      if (!parse(reader.bytes(), request.query)) return malformed("ReadRequest");
    }
    if (reader.expect(theirs::ReadRequest::kStartFieldNumber, Type::varint)) {
      start = to_position(reader.number());
    } else if (reader.expect(theirs::ReadRequest::kBackwardsFieldNumber, Type::varint)) {
      request.direction = reader.number() != 0 ? Direction::backwards : Direction::forwards;
    } else if (reader.expect(theirs::ReadRequest::kLimitFieldNumber, Type::varint)) {
      request.limit = static_cast<std::uint32_t>(reader.number());
    } else if (reader.expect(theirs::ReadRequest::kSubscribeFieldNumber, Type::varint)) {
      subscribe = reader.number() != 0;
    } else if (reader.expect(theirs::ReadRequest::kBatchSizeFieldNumber, Type::varint)) {
      request.batch_events_max = batch_size(reader.number());
    }
  }
  if (!reader.ok()) return malformed("ReadRequest");
  if (subscribe)
    return invalid_field("subscribe", "Read does not subscribe any more, call Subscribe");
  if (start && request.direction == Direction::forwards) request.after = start->previous();
  if (start && request.direction == Direction::backwards) request.until = start;
  return request;
}

Result<std::optional<SubscribeRequest>> parse_subscribe(std::string_view message) {
  SubscribeRequest request{.batch_events_max = batch_size_default,
                           .batch_bytes_max = read_bytes_max};
  request.limits = &umadb_limits();
  bool past_all = false;
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::SubscribeRequest::kQueryFieldNumber, Type::bytes)) {
      if (!parse(reader.bytes(), request.query)) return malformed("SubscribeRequest");
    } else if (reader.expect(theirs::SubscribeRequest::kAfterFieldNumber, Type::varint)) {
      past_all = reader.number() == UINT64_MAX;
      request.after = to_position(reader.number());
    } else if (reader.expect(theirs::SubscribeRequest::kBatchSizeFieldNumber, Type::varint)) {
      request.batch_events_max = batch_size(reader.number());
    }
  }
  if (!reader.ok()) return malformed("SubscribeRequest");
  if (past_all) return std::optional<SubscribeRequest>();
  return std::optional(std::move(request));
}

Result<std::string> parse_tracking(std::string_view message) {
  std::string source;
  Reader reader(message);
  while (reader.next()) {
    if (reader.expect(theirs::TrackingRequest::kSourceFieldNumber, Type::bytes)) {
      source = reader.bytes();
    }
  }
  if (!reader.ok() || !is_utf8(source)) return malformed("TrackingRequest");
  return source;
}

Result<void> parse_head(std::string_view message) {
  Reader reader(message);
  while (reader.next()) {
  }
  if (!reader.ok()) return malformed("HeadRequest");
  return {};
}

grpc::ByteBuffer position_response(std::optional<std::uint64_t> position) {
  std::string message;
  if (position) append_number(message, theirs::AppendResponse::kPositionFieldNumber, *position);
  const grpc::Slice slice(message);
  return {&slice, 1};
}

grpc::Status to_status(const Error& error) {
  const auto kind = kind_of(error);
  if (!kind.type) return {kind.code, error.message};
  // Their words for a failed condition are in the prefix.
  constexpr std::string_view ours = "append condition failed: ";
  std::string_view message = error.message;
  if (message.starts_with(ours)) message.remove_prefix(ours.size());
  theirs::ErrorResponse details;
  details.set_message(fmt::format("{}{}", kind.prefix, message));
  details.set_error_type(*kind.type);
  return {kind.code, details.message(), details.SerializeAsString()};
}

void Packer::hold(Batch batch) {
  held_ = std::move(batch).take_wire();
  held_at_ = 0;
}

bool Packer::pack() {
  if (message_.empty()) message_.reserve(held_.size() - held_at_ + 64);
  Reader reader(std::string_view(held_).substr(held_at_));
  while (true) {
    if (events_ >= events_max_) return true;
    if (!reader.next()) return false;
    const Layout layout(reader.bytes());
    const auto bytes = layout.bytes();
    const auto old_size = message_.size();
    const auto new_size = old_size + wire::field_size(bytes);
    if (events_ > 0 && new_size > packed_bytes_max) return true;
    if (new_size > message_.capacity()) message_.reserve(new_size * 2);
    message_.resize(new_size);
    char* out = message_.data() + old_size;
    out = wire::put_varint(out, wire::key(theirs::ReadResponse::kEventsFieldNumber, Type::bytes));
    out = wire::put_varint(out, bytes);
    put_sequenced(out, reader.bytes(), layout);
    ++events_;
    last_ = layout.position;
    held_at_ = static_cast<std::size_t>(reader.at() - held_.data());
  }
}

grpc::ByteBuffer Packer::take(std::optional<std::uint64_t> head) {
  auto message = std::exchange(message_, {});
  events_ = 0;
  last_.reset();
  if (head) append_number(message, theirs::ReadResponse::kHeadFieldNumber, *head);
  return remote::to_buffer(std::move(message));
}

}  // namespace weir::server::umadb
