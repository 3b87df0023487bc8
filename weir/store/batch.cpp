#include <weir/store/batch.hpp>

#include <algorithm>

#include <weir/base/assert.hpp>
#include <weir/store/wire.hpp>

namespace weir {
namespace {

using wire::Type;

// Field numbers of weir.v1.Event.
enum Field : std::uint32_t {
  position_field = 1,
  type_field = 2,
  tags_field = 3,
  data_field = 4,
  id_field = 5,
  content_type_field = 6,
  metadata_field = 7,
  occurred_at_field = 8,
  recorded_at_field = 9,
  tracking_field = 10,
};
constexpr std::uint32_t events_field = 1;  // of weir.v1.ReadResponse

/// google.protobuf.Timestamp in at most 1 + 10 + 1 + 5 bytes.
struct EncodedTime {
  char bytes[17];
  std::size_t size;

  explicit EncodedTime(Timestamp time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto nanos = std::chrono::nanoseconds(time - seconds).count();
    char* out = bytes;
    if (const auto s = seconds.time_since_epoch().count(); s != 0) {
      out = wire::put_varint(out, wire::key(1, Type::varint));
      out = wire::put_varint(out, static_cast<std::uint64_t>(s));
    }
    if (nanos != 0) {
      out = wire::put_varint(out, wire::key(2, Type::varint));
      out = wire::put_varint(out, static_cast<std::uint64_t>(nanos));
    }
    size = static_cast<std::size_t>(out - bytes);
  }
  std::string_view view() const { return {bytes, size}; }
};

Timestamp decode_time(std::string_view message) {
  std::int64_t seconds = 0, nanos = 0;
  wire::Reader reader(message);
  while (reader.next()) {
    if (reader.is(1, Type::varint)) seconds = static_cast<std::int64_t>(reader.number());
    if (reader.is(2, Type::varint)) nanos = static_cast<std::int64_t>(reader.number());
  }
  // What a Timestamp can't hold comes from no store of ours, and must not overflow here.
  constexpr std::int64_t seconds_max = INT64_MAX / 1'000'000 - 1;
  seconds = std::clamp(seconds, -seconds_max, seconds_max);
  nanos = std::clamp<std::int64_t>(nanos, 0, 999'999'999);
  return Timestamp(std::chrono::seconds(seconds) + std::chrono::microseconds(nanos / 1000));
}

/// Whether each field of a message is whole.
bool well_formed(std::string_view message) {
  wire::Reader reader(message);
  while (reader.next()) {
  }
  return reader.ok();
}

std::size_t entry_size(std::string_view key, std::string_view value) {
  return wire::field_size(key.size()) + wire::field_size(value.size());
}

std::size_t tracking_size(const EventFields& f) {
  return wire::field_size(f.tracking_source.size()) +
         (f.tracking_position == 0 ? 0 : 1 + wire::varint_size(f.tracking_position));
}

std::size_t message_size(const EventFields& f, const EncodedTime& occurred,
                         const EncodedTime& recorded) {
  std::size_t bytes = 1 + wire::varint_size(f.position.value);
  if (!f.type.empty()) bytes += wire::field_size(f.type.size());
  for (const auto tag : f.tags) bytes += wire::field_size(tag.size());
  if (!f.data.empty()) bytes += wire::field_size(f.data.size());
  if (f.id != nullptr) bytes += wire::field_size(36);
  if (!f.content_type.empty()) bytes += wire::field_size(f.content_type.size());
  for (const auto& [key, value] : f.metadata) bytes += wire::field_size(entry_size(key, value));
  bytes += wire::field_size(occurred.size) + wire::field_size(recorded.size);
  if (!f.tracking_source.empty()) bytes += wire::field_size(tracking_size(f));
  return bytes;
}

char* put_message(char* out, const EventFields& f, const EncodedTime& occurred,
                  const EncodedTime& recorded) {
  out = wire::put_varint(out, wire::key(position_field, Type::varint));
  out = wire::put_varint(out, f.position.value);
  if (!f.type.empty()) out = wire::put_bytes(out, type_field, f.type);
  for (const auto tag : f.tags) out = wire::put_bytes(out, tags_field, tag);
  if (!f.data.empty()) out = wire::put_bytes(out, data_field, f.data);
  if (f.id != nullptr) {
    out = wire::put_varint(out, wire::key(id_field, Type::bytes));
    out = wire::put_varint(out, 36);
    write_uuid(*f.id, out);
    out += 36;
  }
  if (!f.content_type.empty()) out = wire::put_bytes(out, content_type_field, f.content_type);
  for (const auto& [key, value] : f.metadata) {
    out = wire::put_varint(out, wire::key(metadata_field, Type::bytes));
    out = wire::put_varint(out, entry_size(key, value));
    out = wire::put_bytes(out, 1, key);
    out = wire::put_bytes(out, 2, value);
  }
  out = wire::put_bytes(out, occurred_at_field, occurred.view());
  out = wire::put_bytes(out, recorded_at_field, recorded.view());
  if (!f.tracking_source.empty()) {
    out = wire::put_varint(out, wire::key(tracking_field, Type::bytes));
    out = wire::put_varint(out, tracking_size(f));
    out = wire::put_bytes(out, 1, f.tracking_source);
    if (f.tracking_position != 0) {
      out = wire::put_varint(out, wire::key(2, Type::varint));
      out = wire::put_varint(out, f.tracking_position);
    }
  }
  return out;
}

}  // namespace

std::optional<Uuid> EventView::id() const {
  return parse_uuid(id_);
}

std::vector<MetadataEntry> EventView::metadata() const {
  std::vector<MetadataEntry> entries;
  for (const auto message : metadata_) {
    MetadataEntry entry;
    wire::Reader reader(message);
    while (reader.next()) {
      if (reader.is(1, Type::bytes)) entry.key = reader.bytes();
      if (reader.is(2, Type::bytes)) entry.value = reader.bytes();
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::optional<Tracking> EventView::tracking() const {
  if (tracking_.empty()) return std::nullopt;
  Tracking tracking;
  wire::Reader reader(tracking_);
  while (reader.next()) {
    if (reader.is(1, Type::bytes)) tracking.source = reader.bytes();
    if (reader.is(2, Type::varint)) tracking.position = reader.number();
  }
  return tracking;
}

RecordedEvent EventView::copy() const {
  return {.position = position_,
          .id = id(),
          .type = std::string(type_),
          .tags = {tags_.begin(), tags_.end()},
          .data = std::string(data_),
          .content_type = std::string(content_type_),
          .metadata = metadata(),
          .occurred_at = occurred_at_,
          .recorded_at = recorded_at_,
          .tracking = tracking()};
}

bool EventView::look_at(std::string_view message, Fields what) {
  wire_ = message;
  position_ = Position();
  id_ = type_ = data_ = content_type_ = tracking_ = {};
  tags_.clear();
  metadata_.clear();
  wire::Reader reader(message);
  while (reader.next()) {
    // Fields lie in the order of their numbers.
    if (what == Fields::type_and_tags && reader.field() > tags_field) break;
    if (reader.is(position_field, Type::varint)) position_ = Position(reader.number());
    if (!reader.is(reader.field(), Type::bytes)) continue;
    switch (reader.field()) {
      case type_field:
        type_ = reader.bytes();
        break;
      case tags_field:
        tags_.push_back(reader.bytes());
        break;
      case data_field:
        data_ = reader.bytes();
        break;
      case id_field:
        id_ = reader.bytes();
        break;
      case content_type_field:
        content_type_ = reader.bytes();
        break;
      case metadata_field:
        metadata_.push_back(reader.bytes());
        break;
      case occurred_at_field:
        occurred_at_ = decode_time(reader.bytes());
        break;
      case recorded_at_field:
        recorded_at_ = decode_time(reader.bytes());
        break;
      case tracking_field:
        tracking_ = reader.bytes();
        break;
      default:
        break;
    }
  }
  return reader.ok();
}

Result<Batch> Batch::from_wire(std::string wire) {
  Batch batch;
  batch.wire_.bytes = std::move(wire);
  bool foreign = false;
  wire::Reader reader(batch.wire_.bytes);
  EventView view;
  std::string_view last;
  while (reader.next()) {
    if (!reader.is(events_field, Type::bytes)) {
      foreign = true;
      continue;
    }
    last = reader.bytes();
    if (batch.count_++ == 0) {
      if (!view.look_at(last)) return damaged("a batch of events is malformed");
      batch.first_ = view.position();
    } else if (!well_formed(last)) {
      return damaged("a batch of events is malformed");
    }
  }
  if (!reader.ok()) return damaged("a batch of events is malformed");
  if (batch.count_ > 0) {
    if (!view.look_at(last)) return damaged("a batch of events is malformed");
    batch.last_ = view.position();
  }
  if (foreign) {
    std::string events;
    wire::Reader again(batch.wire_.bytes);
    while (again.next()) {
      if (!again.is(events_field, Type::bytes)) continue;
      const auto old_size = events.size();
      events.resize(old_size + wire::field_size(again.bytes().size()));
      wire::put_bytes(events.data() + old_size, events_field, again.bytes());
    }
    batch.wire_ = PooledString(std::move(events));
  }
  return batch;
}

Batch::iterator& Batch::iterator::operator++() {
  at_ = next_;
  if (at_ == end_) return *this;
  wire::Reader reader({at_, static_cast<std::size_t>(end_ - at_)});
  const bool whole = reader.next() && view_.look_at(reader.bytes());
  WEIR_ASSERT(whole);  // from_wire() and the builder let nothing else in
  next_ = reader.at();
  return *this;
}

Batch::iterator Batch::begin() const {
  iterator it;
  it.next_ = wire_.bytes.data();
  it.end_ = wire_.bytes.data() + wire_.bytes.size();
  ++it;
  return it;
}

Batch::iterator Batch::end() const {
  iterator it;
  it.at_ = it.next_ = it.end_ = wire_.bytes.data() + wire_.bytes.size();
  return it;
}

void BatchBuilder::add(const EventFields& fields) {
  const EncodedTime occurred(fields.occurred_at);
  const EncodedTime recorded(fields.recorded_at);
  const auto bytes = message_size(fields, occurred, recorded);
  auto& wire = batch_.wire_.bytes;
  const auto old_size = wire.size();
  const auto new_size = old_size + wire::field_size(bytes);
  Buffers::shared().grow(wire, new_size);
  wire.resize(new_size);
  char* out = wire.data() + old_size;
  out = wire::put_varint(out, wire::key(events_field, Type::bytes));
  out = wire::put_varint(out, bytes);
  last_at_ = static_cast<std::size_t>(out - wire.data());
  out = put_message(out, fields, occurred, recorded);
  WEIR_ASSERT(out == wire.data() + new_size);
  if (batch_.count_++ == 0) batch_.first_ = fields.position;
  batch_.last_ = fields.position;
}

void BatchBuilder::add(Position position, std::string_view message) {
  auto& wire = batch_.wire_.bytes;
  const auto old_size = wire.size();
  const auto new_size = old_size + wire::field_size(message.size());
  Buffers::shared().grow(wire, new_size);
  wire.resize(new_size);
  wire::put_bytes(wire.data() + old_size, events_field, message);
  last_at_ = wire.size() - message.size();
  if (batch_.count_++ == 0) batch_.first_ = position;
  batch_.last_ = position;
}

Batch BatchBuilder::build() && {
  return std::move(batch_);
}

}  // namespace weir
