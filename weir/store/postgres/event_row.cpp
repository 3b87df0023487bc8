#include <weir/store/postgres/event_row.hpp>

#include <fmt/format.h>

#include <weir/base/json.hpp>
#include <weir/store/limits.hpp>

namespace weir::postgres {
namespace {

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

/// Whether text columns hold the event as it is.
bool fits_text(const engine::NewEvent& added) {
  const auto& event = *added.event;
  if (has_nul(event.data) || has_nul(event.type) || has_nul(event.content_type)) return false;
  for (const auto& tag : event.tags) {
    if (has_nul(tag)) return false;
  }
  for (const auto& [key, value] : event.metadata) {
    if (has_nul(key) || has_nul(value)) return false;
  }
  if (added.tracking != nullptr && has_nul(added.tracking->source)) return false;
  // Valid JSON is UTF-8; only what is opaque has to be looked at.
  return is_json(event.content_type) || is_utf8(event.data);
}

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\0')
      out += "\xEF\xBF\xBD";
    else
      out += c;
  }
  return out;
}

/// An array literal: {"a","b"}. Arrays of different lengths don't fit one array of arrays.
class ArrayLiteral {
 public:
  void clear() { text_ = "{"; }
  void add(std::string_view element) {
    if (text_.size() > 1) text_ += ',';
    text_ += '"';
    for (const char c : element) {
      if (c == '"' || c == '\\') text_ += '\\';
      if (c == '\0')
        text_ += "\xEF\xBF\xBD";
      else
        text_ += c;
    }
    text_ += '"';
  }
  std::string_view finish() {
    text_ += '}';
    return text_;
  }

 private:
  std::string text_;
};

std::string raw_of(const engine::NewEvent& added, Timestamp recorded_at) {
  const auto& event = *added.event;
  EventFields fields{.position = added.position,
                     .id = event.id ? &*event.id : nullptr,
                     .type = event.type,
                     .tags = {event.tags.begin(), event.tags.end()},
                     .data = event.data,
                     .content_type = event.content_type,
                     .occurred_at = added.occurred_at,
                     .recorded_at = recorded_at};
  for (const auto& [key, value] : event.metadata) fields.metadata.emplace_back(key, value);
  if (added.tracking != nullptr) {
    fields.tracking_source = added.tracking->source;
    fields.tracking_position = added.tracking->position;
  }
  BatchBuilder builder;
  builder.add(fields);
  return std::move(builder).build().take_wire();
}

}  // namespace

const std::string_view insert_events =
    "INSERT INTO weir.event (log_id, position, recorded_at, bytes, occurred_at, checksum, id, type,"
    " tags, data, content_type, metadata, tracking_source, tracking_position, raw)"
    " SELECT $1, $2 + e.n, $3, e.bytes, e.occurred_at, e.checksum, e.id, e.type, e.tags::text[],"
    " e.data, e.content_type, e.metadata::text[], e.tracking_source, e.tracking_position, e.raw"
    " FROM unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) WITH ORDINALITY"
    " AS e(bytes, occurred_at, checksum, id, type, tags, data, content_type, metadata,"
    " tracking_source, tracking_position, raw, n)";

Params encode_events(std::int32_t log_id, const engine::Group& group) {
  Params params;
  const auto count = group.events.size();
  std::vector<bool> whole(count);
  for (std::size_t i = 0; i < count; ++i) whole[i] = fits_text(group.events[i]);
  ArrayLiteral literal;

  const auto column = [&](Oid type, auto&& put) {
    params.begin_array(type, count);
    for (std::size_t i = 0; i < count; ++i) put(group.events[i], *group.events[i].event, i);
  };
  const auto text_or_null = [&](std::string_view text, bool fits) {
    if (text.empty())
      params.null();
    else if (fits)
      params.element(text);
    else
      params.element(shown(text));
  };

  const auto before = group.events.empty() ? Position() : group.events[0].position.previous();
  params.add_int4(log_id);
  params.add(static_cast<std::int64_t>(before.value));
  params.add(to_micros(group.recorded_at));
  column(Oid::int8, [&](auto&, auto& event, auto) {
    params.element(static_cast<std::int64_t>(size_of(event)));
  });
  column(Oid::int8,
         [&](auto& added, auto&, auto) { params.element(to_micros(added.occurred_at)); });
  column(Oid::int8, [&](auto& added, auto&, auto) {
    params.element(static_cast<std::int64_t>(added.checksum));
  });
  column(Oid::uuid, [&](auto&, auto& event, auto) {
    if (event.id)
      params.element(*event.id);
    else
      params.null();
  });
  column(Oid::text, [&](auto&, auto& event, auto i) {
    if (whole[i])
      params.element(event.type);
    else
      params.element(shown(event.type));
  });
  column(Oid::text, [&](auto&, auto& event, auto) {
    literal.clear();
    for (const auto& tag : event.tags) literal.add(tag);
    params.element(literal.finish());
  });
  column(Oid::text, [&](auto&, auto& event, auto i) {
    params.element(whole[i] ? std::string_view(event.data) : std::string_view());
  });
  column(Oid::text,
         [&](auto&, auto& event, auto i) { text_or_null(event.content_type, whole[i]); });
  column(Oid::text, [&](auto&, auto& event, auto) {
    if (event.metadata.empty()) return params.null();
    literal.clear();
    for (const auto& [key, value] : event.metadata) {
      literal.add(key);
      literal.add(value);
    }
    params.element(literal.finish());
  });
  column(Oid::text, [&](auto& added, auto&, auto i) {
    text_or_null(added.tracking != nullptr ? std::string_view(added.tracking->source) : "",
                 whole[i]);
  });
  column(Oid::int8, [&](auto& added, auto&, auto) {
    if (added.tracking == nullptr) return params.null();
    params.element(static_cast<std::int64_t>(added.tracking->position));
  });
  column(Oid::bytea, [&](auto& added, auto&, auto i) {
    if (whole[i]) return params.null();
    params.element(raw_of(added, group.recorded_at));
  });
  return params;
}

Error EventDecoder::malformed(const char* column) const {
  return damaged(fmt::format("event {}: column {} is malformed", fields_.position.value, column));
}

Result<void> EventDecoder::decode_raw(std::string_view raw) {
  auto batch = Batch::from_wire(std::string(raw));
  if (!batch || batch->size() != 1 || batch->first() != fields_.position) {
    return malformed("raw");
  }
  raw_batch_ = std::move(*batch);
  raw_ = *raw_batch_.begin();
  is_raw_ = true;
  return {};
}

Result<void> EventDecoder::decode(const Rows& rows, std::size_t row) {
  int column = column_;
  fields_.position = Position(static_cast<std::uint64_t>(rows.int8(row, column++)));
  bytes_ = rows.int4(row, column++);
  is_raw_ = false;
  if (!rows.is_null(row, column_ + 12)) return decode_raw(rows.bytes(row, column_ + 12));

  fields_.occurred_at = from_micros(rows.int8(row, column++));
  fields_.recorded_at = from_micros(rows.int8(row, column++));
  fields_.id = nullptr;
  if (!rows.is_null(row, column)) {
    id_ = rows.uuid(row, column);
    fields_.id = &id_;
  }
  ++column;
  fields_.type = rows.bytes(row, column++);
  if (!rows.array(row, column++, fields_.tags)) return malformed("tags");
  fields_.data = rows.bytes(row, column++);
  fields_.content_type = rows.bytes(row, column++);  // null is empty
  if (!rows.array(row, column++, metadata_) || metadata_.size() % 2 != 0) {
    return malformed("metadata");
  }
  fields_.metadata.clear();
  for (std::size_t i = 0; i + 1 < metadata_.size(); i += 2) {
    fields_.metadata.emplace_back(metadata_[i], metadata_[i + 1]);
  }
  fields_.tracking_source = rows.bytes(row, column++);
  fields_.tracking_position =
      fields_.tracking_source.empty() ? 0 : static_cast<std::uint64_t>(rows.int8(row, column));
  return {};
}

Subject EventDecoder::subject() const {
  const auto json = [](std::string_view content_type, std::string_view data) {
    return is_json(content_type) ? data : std::string_view();
  };
  if (is_raw_) return {raw_.type(), raw_.tags(), json(raw_.content_type(), raw_.data())};
  return {fields_.type, fields_.tags, json(fields_.content_type, fields_.data)};
}

void EventDecoder::add_to(BatchBuilder& builder) const {
  if (is_raw_)
    builder.add(fields_.position, raw_.wire());
  else
    builder.add(fields_);
}

}  // namespace weir::postgres
