#include <weir/store/remote/convert.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/store/wire.hpp>

namespace weir::remote {
namespace {

using wire::Type;

constexpr std::int64_t seconds_min = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t seconds_max = 253'402'300'799;  // 9999-12-31T23:59:59Z

void append_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  char buffer[20];
  char* end = wire::put_varint(buffer, wire::key(field, Type::varint));
  end = wire::put_varint(end, value);
  out.append(buffer, end);
}

/// The four fields that read and subscribe responses have in common.
struct Trailer {
  std::uint64_t head = 0;
  std::uint64_t cursor = 0;
  bool last = false;
};

std::string to_wire(Batch batch, const Trailer& trailer) {
  auto wire = std::move(batch).take_wire();
  constexpr std::size_t numbers_max = 33;
  Buffers::shared().grow(wire, wire.size() + numbers_max);
  append_number(wire, 2, trailer.head);
  append_number(wire, 3, trailer.cursor);
  append_number(wire, 4, trailer.last ? 1 : 0);
  return wire;
}

/// Reads the trailer and cuts it off, so that the batch need not copy the events.
Trailer take_trailer(std::string& wire) {
  Trailer trailer;
  wire::Reader reader(wire);
  const char* events_end = wire.data();
  while (reader.next()) {
    if (reader.is(1, Type::bytes)) events_end = reader.at();
    if (reader.is(2, Type::varint)) trailer.head = reader.number();
    if (reader.is(3, Type::varint)) trailer.cursor = reader.number();
    if (reader.is(4, Type::varint)) trailer.last = reader.number() != 0;
  }
  if (reader.ok()) wire.resize(static_cast<std::size_t>(events_end - wire.data()));
  return trailer;
}

template <class Request>
Result<Query> query_of(const Request& request) {
  const bool flat = request.types_size() > 0 || request.tags_size() > 0 || request.where_size() > 0;
  if (!flat) return from_proto(request.query());
  if (request.has_query()) {
    return invalid_field("query", "can't be given beside types, tags and where");
  }
  QueryItem item;
  item.types.assign(request.types().begin(), request.types().end());
  item.tags.assign(request.tags().begin(), request.tags().end());
  for (int i = 0; i < request.where_size(); ++i) {
    const auto& text = request.where(i);
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      return invalid_field(fmt::format("where[{}]", i), "must be key=value");
    }
    item.where.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return Query{.items = {std::move(item)}};
}

Result<Event> take_event(v1::Event& from, int index) {
  Event event;
  event.type = std::move(*from.mutable_type());
  event.tags.reserve(static_cast<std::size_t>(from.tags_size()));
  for (auto& tag : *from.mutable_tags()) event.tags.push_back(std::move(tag));
  event.data = std::move(*from.mutable_data());
  event.content_type = std::move(*from.mutable_content_type());
  for (auto& [key, value] : *from.mutable_metadata()) {
    event.metadata.push_back({key, std::move(value)});
  }
  // A protobuf map has no order; ours is the keys'.
  std::sort(event.metadata.begin(), event.metadata.end(),
            [](const MetadataEntry& a, const MetadataEntry& b) { return a.key < b.key; });
  if (!from.id().empty()) {
    event.id = parse_uuid(from.id());
    if (!event.id) return invalid_field(fmt::format("events[{}].id", index), "is not a UUID");
  }
  if (from.has_occurred_at()) {
    WEIR_TRY_ASSIGN(time,
                    from_proto(from.occurred_at(), fmt::format("events[{}].occurred_at", index)));
    event.occurred_at = time;
  }
  return event;
}

}  // namespace

std::string log_name(const std::string& name) {
  return name.empty() ? "default" : name;
}

google::protobuf::Timestamp to_proto(Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  google::protobuf::Timestamp out;
  out.set_seconds(seconds.time_since_epoch().count());
  out.set_nanos(static_cast<int>(std::chrono::nanoseconds(time - seconds).count()));
  return out;
}

Result<Timestamp> from_proto(const google::protobuf::Timestamp& time, std::string_view field) {
  if (time.seconds() < seconds_min || time.seconds() > seconds_max || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return invalid_field(field, "is not a time of the years 0001 to 9999");
  }
  return Timestamp(std::chrono::seconds(time.seconds()) +
                   std::chrono::microseconds(time.nanos() / 1000));
}

void to_proto(const Query& query, v1::Query& out) {
  for (const auto& item : query.items) {
    auto& to = *out.add_items();
    for (const auto& type : item.types) to.add_types(type);
    for (const auto& tag : item.tags) to.add_tags(tag);
    for (const auto& predicate : item.where) {
      auto& where = *to.add_where();
      where.set_key(predicate.key);
      where.set_value(predicate.value);
    }
    to.set_where_any(item.where_any);
  }
}

Query from_proto(const v1::Query& query) {
  Query out;
  for (const auto& item : query.items()) {
    auto& to = out.items.emplace_back();
    to.types.assign(item.types().begin(), item.types().end());
    to.tags.assign(item.tags().begin(), item.tags().end());
    for (const auto& where : item.where()) to.where.push_back({where.key(), where.value()});
    to.where_any = item.where_any();
  }
  return out;
}

void to_proto(const Event& event, v1::Event& out) {
  out.set_type(event.type);
  for (const auto& tag : event.tags) out.add_tags(tag);
  out.set_data(event.data);
  if (event.id) out.set_id(to_string(*event.id));
  if (!event.content_type.empty()) out.set_content_type(event.content_type);
  for (const auto& [key, value] : event.metadata) (*out.mutable_metadata())[key] = value;
  if (event.occurred_at) *out.mutable_occurred_at() = to_proto(*event.occurred_at);
}

Result<AppendRequest> take_append(v1::AppendRequest& request) {
  AppendRequest out;
  out.events.reserve(static_cast<std::size_t>(request.events_size()));
  for (int i = 0; i < request.events_size(); ++i) {
    WEIR_TRY_ASSIGN(event, take_event(*request.mutable_events(i), i));
    out.events.push_back(std::move(event));
  }
  if (request.has_condition()) {
    Condition condition;
    condition.fail_if_events_match = from_proto(request.condition().fail_if_events_match());
    if (request.condition().has_after()) condition.after = Position(request.condition().after());
    out.condition = std::move(condition);
  }
  out.idempotency_key = std::move(*request.mutable_idempotency_key());
  if (request.has_tracking()) {
    out.tracking = Tracking{request.tracking().source(), request.tracking().position()};
  }
  return out;
}

void to_proto(const AppendRequest& request, const std::string& log, v1::AppendRequest& out) {
  if (log != "default") out.set_log(log);
  for (const auto& event : request.events) to_proto(event, *out.add_events());
  if (request.condition) {
    auto& condition = *out.mutable_condition();
    if (!request.condition->fail_if_events_match.everything()) {
      to_proto(request.condition->fail_if_events_match, *condition.mutable_fail_if_events_match());
    }
    if (request.condition->after) condition.set_after(request.condition->after->value);
  }
  out.set_idempotency_key(request.idempotency_key);
  if (request.tracking) {
    out.mutable_tracking()->set_source(request.tracking->source);
    out.mutable_tracking()->set_position(request.tracking->position);
  }
}

void to_proto(const Appended& appended, v1::AppendResponse& out) {
  out.set_first_position(appended.first.value);
  out.set_last_position(appended.last.value);
  out.set_replayed(appended.replayed);
  *out.mutable_recorded_at() = to_proto(appended.recorded_at);
}

Appended from_proto(const v1::AppendResponse& response) {
  return {
      .first = Position(response.first_position()),
      .last = Position(response.last_position()),
      .recorded_at = Timestamp(std::chrono::seconds(response.recorded_at().seconds()) +
                               std::chrono::microseconds(response.recorded_at().nanos() / 1000)),
      .replayed = response.replayed()};
}

Result<ReadRequest> from_proto(const v1::ReadRequest& request) {
  ReadRequest out;
  WEIR_TRY_ASSIGN(query, query_of(request));
  out.query = std::move(query);
  if (request.has_after() && request.has_from()) {
    return invalid_field("from", "can't be given beside after");
  }
  if (request.has_after()) out.after = Position(request.after());
  if (request.has_from()) out.after = Position(request.from()).previous();
  if (request.has_until()) out.until = Position(request.until());
  if (request.backwards()) out.direction = Direction::backwards;
  if (request.has_limit()) out.limit = request.limit();
  if (request.has_occurred_from()) {
    WEIR_TRY_ASSIGN(time, from_proto(request.occurred_from(), "occurred_from"));
    out.occurred.from = time;
  }
  if (request.has_occurred_until()) {
    WEIR_TRY_ASSIGN(time, from_proto(request.occurred_until(), "occurred_until"));
    out.occurred.until = time;
  }
  if (request.has_batch_size()) out.batch_events_max = request.batch_size();
  return out;
}

void to_proto(const ReadRequest& request, const std::string& log, v1::ReadRequest& out) {
  if (log != "default") out.set_log(log);
  if (!request.query.everything()) to_proto(request.query, *out.mutable_query());
  if (request.after.value > 0) out.set_after(request.after.value);
  if (request.until) out.set_until(request.until->value);
  out.set_backwards(request.direction == Direction::backwards);
  if (request.limit) out.set_limit(*request.limit);
  if (request.occurred.from) *out.mutable_occurred_from() = to_proto(*request.occurred.from);
  if (request.occurred.until) *out.mutable_occurred_until() = to_proto(*request.occurred.until);
  out.set_batch_size(
      static_cast<std::uint32_t>(std::min<std::size_t>(request.batch_events_max, UINT32_MAX)));
}

Result<SubscribeRequest> from_proto(const v1::SubscribeRequest& request) {
  SubscribeRequest out;
  WEIR_TRY_ASSIGN(query, query_of(request));
  out.query = std::move(query);
  if (request.has_after()) out.after = Position(request.after());
  if (request.has_batch_size()) out.batch_events_max = request.batch_size();
  return out;
}

void to_proto(const SubscribeRequest& request, const std::string& log, v1::SubscribeRequest& out) {
  if (log != "default") out.set_log(log);
  if (!request.query.everything()) to_proto(request.query, *out.mutable_query());
  if (request.after) out.set_after(request.after->value);
  out.set_batch_size(
      static_cast<std::uint32_t>(std::min<std::size_t>(request.batch_events_max, UINT32_MAX)));
}

std::string to_wire(ReadStep step) {
  return to_wire(std::move(step.batch), {step.head.value, step.cursor.value, step.end});
}

std::string to_wire(SubscriptionStep step) {
  return to_wire(std::move(step.batch), {step.head.value, step.cursor.value, step.caught_up});
}

grpc::ByteBuffer to_buffer(std::string wire) {
  // The slice takes the string over instead of copying it.
  auto* kept = new PooledString(std::move(wire));
  const grpc::Slice slice(
      kept->bytes.data(), kept->bytes.size(),
      [](void* owner) { delete static_cast<PooledString*>(owner); }, kept);
  return {&slice, 1};
}

Result<ReadStep> read_step_from_wire(std::string wire) {
  const auto trailer = take_trailer(wire);
  WEIR_TRY_ASSIGN(batch, Batch::from_wire(std::move(wire)));
  return ReadStep{.batch = std::move(batch),
                  .head = Position(trailer.head),
                  .cursor = Position(trailer.cursor),
                  .end = trailer.last};
}

Result<SubscriptionStep> subscription_step_from_wire(std::string wire) {
  const auto trailer = take_trailer(wire);
  WEIR_TRY_ASSIGN(batch, Batch::from_wire(std::move(wire)));
  return SubscriptionStep{.batch = std::move(batch),
                          .head = Position(trailer.head),
                          .cursor = Position(trailer.cursor),
                          .caught_up = trailer.last};
}

void to_proto(const LogInfo& info, v1::Log& out) {
  out.set_name(info.name);
  out.set_head(info.head.value);
  for (const auto& key : info.options.indexed_keys) out.add_indexed_keys(key);
  *out.mutable_created_at() = to_proto(info.created_at);
}

void to_proto(const Limits& limits, v1::Log& out) {
  for (const auto& range : limit_ranges()) {
    (*out.mutable_limits())[std::string(range.name)] = limits.*range.field;
  }
}

LogInfo from_proto(const v1::Log& log) {
  Limits limits;  // what an older server does not tell is as it was then
  for (const auto& range : limit_ranges()) {
    const auto told = log.limits().find(std::string(range.name));
    if (told == log.limits().end()) continue;
    limits.*range.field = std::clamp<std::uint64_t>(told->second, range.min, range.max);
  }
  return {.name = log.name(),
          .head = Position(log.head()),
          .options = {.indexed_keys = {log.indexed_keys().begin(), log.indexed_keys().end()}},
          .created_at = Timestamp(std::chrono::seconds(log.created_at().seconds()) +
                                  std::chrono::microseconds(log.created_at().nanos() / 1000)),
          .limits = limits};
}

}  // namespace weir::remote
