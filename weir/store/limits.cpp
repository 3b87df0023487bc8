#include <weir/store/limits.hpp>

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include <weir/base/excerpt.hpp>
#include <weir/base/json.hpp>
#include <weir/store/requests.hpp>

namespace weir {
namespace {

Result<void> check_text(std::string_view text, std::size_t min, std::size_t max,
                        std::string_view field) {
  if (text.size() > max) return past_limit(field, text.size(), max, "bytes");
  if (text.size() < min) return invalid_field(field, "must not be empty");
  if (!is_utf8(text)) return invalid_field(field, "is not valid UTF-8");
  return {};
}

Result<void> check_count(std::size_t is, std::size_t max, std::string_view field,
                         std::string_view unit) {
  if (is > max) return past_limit(field, is, max, unit);
  return {};
}

template <class... Args>
std::string name(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

Result<void> check_metadata(const Event& event, const Limits& limits, std::string_view field) {
  WEIR_TRY(check_count(event.metadata.size(), limits.metadata_entries_max,
                       name("{}.metadata", field), "entries"));
  std::unordered_set<std::string_view> keys;
  for (const auto& [key, value] : event.metadata) {
    const auto entry = name("{}.metadata[{}]", field, excerpt(key, 64));
    WEIR_TRY(check_text(key, 0, limits.metadata_bytes_max, entry));
    WEIR_TRY(check_text(value, 0, limits.metadata_bytes_max, entry));
    if (!keys.insert(key).second) return invalid_field(entry, "the key stands there twice");
  }
  return {};
}

/// The whole event is checked twice at most: names are built only when something is wrong.
Result<void> check_quickly(const Event& event, const Limits& limits, Payloads payloads) {
  static const Error wrong = internal_bug("an event is wrong");
  const auto text_ok = [](std::string_view text, std::size_t min, std::size_t max) {
    return text.size() >= min && text.size() <= max && is_utf8(text);
  };
  if (!text_ok(event.type, limits.type_bytes_min, limits.type_bytes_max)) return wrong;
  if (event.tags.size() > limits.tags_max) return wrong;
  for (const auto& tag : event.tags) {
    if (!text_ok(tag, limits.tag_bytes_min, limits.tag_bytes_max)) return wrong;
  }
  if (event.data.size() > limits.data_bytes_max) return wrong;
  if (!event.metadata.empty()) return wrong;
  if (event.occurred_at && !is_calendar_time(*event.occurred_at)) return wrong;
  if (!text_ok(event.content_type, 0, limits.content_type_bytes_max)) return wrong;
  if (payloads == Payloads::unread) return {};
  if (is_json(event.content_type) && !check_json(event.data)) return wrong;
  return {};
}

}  // namespace

std::span<const LimitRange> limit_ranges() {
  // An append comes in one message of at most 20 MiB; a key is part of a row of an index, which
  // PostgreSQL bounds at 2,704 bytes, twice in that of snapshots.
  static constexpr LimitRange ranges[] = {
      {"type_bytes_max", &Limits::type_bytes_max, 1, 65'535, "Bytes of an event's type"},
      {"tag_bytes_max", &Limits::tag_bytes_max, 1, 65'535, "Bytes of a tag"},
      {"tags_max", &Limits::tags_max, 1, 65'535, "Tags of an event"},
      {"data_bytes_max", &Limits::data_bytes_max, 1, 16 << 20, "Bytes of an event's payload"},
      {"content_type_bytes_max", &Limits::content_type_bytes_max, 16, 4096,
       "Bytes of a content type"},
      {"metadata_entries_max", &Limits::metadata_entries_max, 0, 65'535,
       "Metadata entries of an event"},
      {"metadata_bytes_max", &Limits::metadata_bytes_max, 1, 65'535,
       "Bytes of a metadata key or value"},
      {"events_max", &Limits::events_max, 1, 100'000, "Events of an append"},
      {"append_bytes_max", &Limits::append_bytes_max, 1024, 16 << 20,
       "Bytes of all events of an append together"},
      {"query_items_max", &Limits::query_items_max, 1, 65'535, "Items of a query"},
      {"query_terms_max", &Limits::query_terms_max, 1, 65'535,
       "Types, tags and predicates of a query's item, of each"},
      {"predicate_bytes_max", &Limits::predicate_bytes_max, 1, 65'535,
       "Bytes of a predicate's key or value"},
      {"key_bytes_max", &Limits::key_bytes_max, 1, 1024,
       "Bytes of an idempotency key, a tracking source, a snapshot's names"},
      {"snapshot_bytes_max", &Limits::snapshot_bytes_max, 1, 16 << 20, "Bytes of a snapshot"},
  };
  return ranges;
}

Result<void> check(const Limits& limits) {
  for (const auto& range : limit_ranges()) {
    const auto value = limits.*range.field;
    if (value >= range.min && value <= range.max) continue;
    return invalid_field(range.name, name("{} is not {} to {}", value, range.min, range.max));
  }
  if (limits.data_bytes_max > limits.append_bytes_max) {
    return invalid_field("data_bytes_max", name("{} is more than append_bytes_max, {}",
                                                limits.data_bytes_max, limits.append_bytes_max));
  }
  return {};
}

const Limits& highest_limits() {
  static const Limits limits = [] {
    Limits l;
    for (const auto& range : limit_ranges()) l.*range.field = range.max;
    return l;
  }();
  return limits;
}

const Limits& umadb_limits() {
  static const Limits limits = [] {
    Limits l;
    l.type_bytes_min = 0;
    l.type_bytes_max = 65'535;
    l.tag_bytes_min = 0;
    l.tag_bytes_max = 65'535;
    l.tags_max = 65'535;
    l.data_bytes_max = 64 << 20;
    l.metadata_entries_max = 65'535;
    l.metadata_bytes_max = 65'535;
    l.events_min = 0;
    l.events_max = 1'000'000;
    l.append_bytes_max = 64 << 20;
    l.query_items_max = 65'535;
    l.query_terms_max = 65'535;
    return l;
  }();
  return limits;
}

std::size_t size_of(const Event& event) {
  std::size_t bytes = 64 + event.type.size() + event.data.size() + event.content_type.size();
  for (const auto& tag : event.tags) bytes += tag.size() + 2;
  for (const auto& [key, value] : event.metadata) bytes += key.size() + value.size() + 4;
  return bytes;
}

namespace {

Result<void> check_but_payload(const Event& event, const Limits& limits, std::string_view field) {
  WEIR_TRY(
      check_text(event.type, limits.type_bytes_min, limits.type_bytes_max, name("{}.type", field)));
  WEIR_TRY(check_count(event.tags.size(), limits.tags_max, name("{}.tags", field), "tags"));
  for (std::size_t i = 0; i < event.tags.size(); ++i) {
    WEIR_TRY(check_text(event.tags[i], limits.tag_bytes_min, limits.tag_bytes_max,
                        name("{}.tags[{}]", field, i)));
  }
  WEIR_TRY(check_count(event.data.size(), limits.data_bytes_max, name("{}.data", field), "bytes"));
  WEIR_TRY(check_text(event.content_type, 0, limits.content_type_bytes_max,
                      name("{}.content_type", field)));
  WEIR_TRY(check_metadata(event, limits, field));
  if (event.occurred_at && !is_calendar_time(*event.occurred_at)) {
    return invalid_field(name("{}.occurred_at", field), "is not a time of the years 0001 to 9999");
  }
  return {};
}

}  // namespace

Result<void> check(const Event& event, const Limits& limits, std::string_view field) {
  WEIR_TRY(check_but_payload(event, limits, field));
  if (is_json(event.content_type)) {
    if (const auto valid = check_json(event.data); !valid) {
      return invalid_field(name("{}.data", field), valid.error().message.substr(6));
    }
  }
  return {};
}

Result<void> check(const Query& query, const Limits& limits, std::string_view field) {
  WEIR_TRY(
      check_count(query.items.size(), limits.query_items_max, name("{}.items", field), "items"));
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    const auto& item = query.items[i];
    const auto at = name("{}.items[{}]", field, i);
    WEIR_TRY(check_count(item.types.size(), limits.query_terms_max, at + ".types", "types"));
    WEIR_TRY(check_count(item.tags.size(), limits.query_terms_max, at + ".tags", "tags"));
    WEIR_TRY(check_count(item.where.size(), limits.query_terms_max, at + ".where", "predicates"));
    for (std::size_t j = 0; j < item.types.size(); ++j) {
      WEIR_TRY(check_text(item.types[j], limits.type_bytes_min, limits.type_bytes_max,
                          name("{}.types[{}]", at, j)));
    }
    for (std::size_t j = 0; j < item.tags.size(); ++j) {
      WEIR_TRY(check_text(item.tags[j], limits.tag_bytes_min, limits.tag_bytes_max,
                          name("{}.tags[{}]", at, j)));
    }
    for (std::size_t j = 0; j < item.where.size(); ++j) {
      WEIR_TRY(check_text(item.where[j].key, 1, limits.predicate_bytes_max,
                          name("{}.where[{}].key", at, j)));
      WEIR_TRY(check_text(item.where[j].value, 0, limits.predicate_bytes_max,
                          name("{}.where[{}].value", at, j)));
    }
  }
  return {};
}

Result<void> check(const LogOptions& options) {
  constexpr std::size_t keys_max = 16;
  const auto& keys = options.indexed_keys;
  WEIR_TRY(check_count(keys.size(), keys_max, "indexed_keys", "keys"));
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    WEIR_TRY(check_key(*key, {}, "indexed_keys"));
    if (std::find(keys.begin(), key, *key) != key) {
      return invalid_field("indexed_keys",
                           fmt::format("'{}' stands there twice", excerpt(*key, 64)));
    }
  }
  return {};
}

Result<void> check_log_name(std::string_view log, std::string_view field) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool fine = !log.empty() && log.size() <= 63 && letter(log.front()) &&
                    std::all_of(log.begin(), log.end(),
                                [&](char c) { return letter(c) || c == '-' || c == '_'; });
  if (fine) return {};
  return invalid_field(field, fmt::format("'{}' is not a name of 1 to 63 of a-z, 0-9, '-' and '_', "
                                          "beginning with a letter or a digit",
                                          excerpt(log, 64)));
}

Result<void> check_key(std::string_view key, const Limits& limits, std::string_view field) {
  return check_text(key, 1, limits.key_bytes_max, field);
}

Result<void> check(const AppendRequest& request, const Limits& limits, Payloads payloads) {
  if (request.events.size() < limits.events_min) {
    return invalid_field("events", "must hold at least one event");
  }
  WEIR_TRY(check_count(request.events.size(), limits.events_max, "events", "events"));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < request.events.size(); ++i) {
    const auto& event = request.events[i];
    bytes += size_of(event);
    if (check_quickly(event, limits, payloads)) continue;
    const auto field = name("events[{}]", i);
    WEIR_TRY(payloads == Payloads::read ? check(event, limits, field)
                                        : check_but_payload(event, limits, field));
  }
  WEIR_TRY(check_count(bytes, limits.append_bytes_max, "events", "bytes"));
  if (request.condition) {
    WEIR_TRY(
        check(request.condition->fail_if_events_match, limits, "condition.fail_if_events_match"));
  }
  if (!request.idempotency_key.empty()) {
    WEIR_TRY(check_key(request.idempotency_key, limits, "idempotency_key"));
  }
  if (request.tracking) {
    WEIR_TRY(check_key(request.tracking->source, limits, "tracking.source"));
  }
  return {};
}

Result<void> check(const ReadRequest& request, const Limits& limits) {
  WEIR_TRY(check(request.query, limits, "query"));
  if (request.batch_events_max < 1 || request.batch_events_max > 10'000) {
    return invalid_field("batch_size",
                         fmt::format("{} is not 1 to 10000", request.batch_events_max));
  }
  if (request.batch_bytes_max < 1024 || request.batch_bytes_max > 8 << 20) {
    return invalid_field("batch_bytes_max",
                         fmt::format("{} is not 1024 to 8388608", request.batch_bytes_max));
  }
  if (request.occurred.from && request.occurred.until &&
      *request.occurred.from > *request.occurred.until) {
    return invalid_field("occurred_from", "is later than occurred_until");
  }
  return {};
}

}  // namespace weir
