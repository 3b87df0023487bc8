#include <weir/store/query.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>
#include <boost/json.hpp>

#include <weir/base/json.hpp>

namespace weir {
namespace {

namespace json = boost::json;

template <class T>
void sort_unique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

bool any_type(const QueryItem& item, std::string_view type) {
  return item.types.empty() ||
         std::find(item.types.begin(), item.types.end(), type) != item.types.end();
}

bool all_tags(const QueryItem& item, const std::vector<std::string_view>& tags) {
  return std::all_of(item.tags.begin(), item.tags.end(), [&](const std::string& tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
  });
}

bool predicates_hold(const QueryItem& item, std::string_view text) {
  if (item.where.empty()) return true;
  if (text.empty()) return false;
  // The last string of a repeated key is the one that counts.
  std::vector<bool> holds(item.where.size(), false);
  for_each_top_level_string(text, [&](std::string_view key, std::string_view value) {
    for (std::size_t i = 0; i < item.where.size(); ++i) {
      if (item.where[i].key == key) holds[i] = item.where[i].value == value;
    }
  });
  const auto held = static_cast<std::size_t>(std::count(holds.begin(), holds.end(), true));
  return item.where_any ? held > 0 : held == holds.size();
}

Result<std::string> read_string(const json::value& value, const std::string& field) {
  if (!value.is_string()) return invalid_field(field, "must be a string");
  return std::string(value.get_string());
}

Result<std::vector<std::string>> read_strings(const json::value& value, const std::string& field) {
  if (!value.is_array()) return invalid_field(field, "must be an array of strings");
  std::vector<std::string> list;
  for (std::size_t i = 0; i < value.get_array().size(); ++i) {
    WEIR_TRY_ASSIGN(text, read_string(value.get_array()[i], fmt::format("{}[{}]", field, i)));
    list.push_back(std::move(text));
  }
  return list;
}

Result<Predicate> read_predicate(const json::value& value, const std::string& field) {
  if (!value.is_object()) return invalid_field(field, "must be an object of key and value");
  Predicate predicate;
  bool key = false, held = false;
  for (const auto& member : value.get_object()) {
    const auto name = fmt::format("{}.{}", field, std::string_view(member.key()));
    if (member.key() == "key") {
      WEIR_TRY_ASSIGN(text, read_string(member.value(), name));
      predicate.key = std::move(text);
      key = true;
    } else if (member.key() == "value") {
      WEIR_TRY_ASSIGN(text, read_string(member.value(), name));
      predicate.value = std::move(text);
      held = true;
    } else {
      return invalid_field(name, "unknown field");
    }
  }
  if (!key || !held) return invalid_field(field, "needs key and value");
  return predicate;
}

Result<QueryItem> read_item(const json::value& value, const std::string& field) {
  if (!value.is_object()) return invalid_field(field, "must be an object");
  QueryItem item;
  for (const auto& member : value.get_object()) {
    const std::string_view key = member.key();
    const auto name = fmt::format("{}.{}", field, key);
    if (key == "types") {
      WEIR_TRY_ASSIGN(types, read_strings(member.value(), name));
      item.types = std::move(types);
    } else if (key == "tags") {
      WEIR_TRY_ASSIGN(tags, read_strings(member.value(), name));
      item.tags = std::move(tags);
    } else if (key == "where") {
      if (!member.value().is_array()) return invalid_field(name, "must be an array");
      for (std::size_t i = 0; i < member.value().get_array().size(); ++i) {
        WEIR_TRY_ASSIGN(predicate, read_predicate(member.value().get_array()[i],
                                                  fmt::format("{}[{}]", name, i)));
        item.where.push_back(std::move(predicate));
      }
    } else if (key == "whereAny" || key == "where_any") {
      if (!member.value().is_bool()) return invalid_field(name, "must be true or false");
      item.where_any = member.value().get_bool();
    } else {
      return invalid_field(name, "unknown field; there are types, tags, where and whereAny");
    }
  }
  return item;
}

void append_list(std::string& out, std::string_view name, const std::vector<std::string>& list) {
  if (list.empty()) return;
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ":[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, list[i]);
  }
  out += ']';
}

}  // namespace

Query normalized(Query query) {
  for (auto& item : query.items) {
    sort_unique(item.types);
    sort_unique(item.tags);
    sort_unique(item.where);
    if (item.where.size() < 2) item.where_any = false;
    if (item == QueryItem{}) return Query{};
  }
  const auto key = [](const QueryItem& i) {
    return std::tie(i.types, i.tags, i.where, i.where_any);
  };
  std::sort(query.items.begin(), query.items.end(),
            [&](const QueryItem& a, const QueryItem& b) { return key(a) < key(b); });
  query.items.erase(std::unique(query.items.begin(), query.items.end()), query.items.end());
  return query;
}

std::string hash_of(const Query& query) {
  // JSON is an unambiguous serialisation: no separator can be forged.
  const auto text = to_json(normalized(query));
  const auto hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

bool matches(const Query& query, const Subject& subject) {
  if (query.everything()) return true;
  return std::any_of(query.items.begin(), query.items.end(), [&](const QueryItem& item) {
    return any_type(item, subject.type) && all_tags(item, subject.tags) &&
           predicates_hold(item, subject.json);
  });
}

Result<Query> parse_query(std::string_view text) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const auto value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return invalid_field("query", fmt::format("not valid JSON: {}", error.message()));
  if (!value.is_object()) return invalid_field("query", "must be an object such as {\"items\":[]}");
  Query query;
  for (const auto& member : value.get_object()) {
    if (member.key() != "items") {
      return invalid_field(fmt::format("query.{}", std::string_view(member.key())),
                           "unknown field; there is items");
    }
    if (!member.value().is_array()) return invalid_field("query.items", "must be an array");
    for (std::size_t i = 0; i < member.value().get_array().size(); ++i) {
      WEIR_TRY_ASSIGN(item,
                      read_item(member.value().get_array()[i], fmt::format("query.items[{}]", i)));
      query.items.push_back(std::move(item));
    }
  }
  return query;
}

std::string to_json(const Query& query) {
  std::string out = "{\"items\":[";
  for (const auto& item : query.items) {
    if (out.back() == '}') out += ',';
    out += '{';
    append_list(out, "types", item.types);
    append_list(out, "tags", item.tags);
    if (!item.where.empty()) {
      if (out.back() != '{') out += ',';
      out += "\"where\":[";
      for (const auto& predicate : item.where) {
        if (out.back() == '}') out += ',';
        out += "{\"key\":";
        append_json_string(out, predicate.key);
        out += ",\"value\":";
        append_json_string(out, predicate.value);
        out += '}';
      }
      out += ']';
      if (item.where_any) out += ",\"whereAny\":true";
    }
    out += '}';
  }
  return out + "]}";
}

}  // namespace weir
