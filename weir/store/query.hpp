#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/store/event.hpp>

namespace weir {

/// The JSON payload has, at top level, `key` with exactly the string `value`.
struct Predicate {
  std::string key;
  std::string value;

  auto operator<=>(const Predicate&) const = default;
};

/// Any of the types AND all of the tags AND the predicates. What is empty does not constrain.
struct QueryItem {
  std::vector<std::string> types = {};
  std::vector<std::string> tags = {};
  std::vector<Predicate> where = {};
  /// One predicate suffices; otherwise all must hold.
  bool where_any = false;

  bool operator==(const QueryItem&) const = default;
};

/// What to look for: items joined by OR; no items means every event. A value.
struct Query {
  std::vector<QueryItem> items = {};

  /// Each of these adds to the last item, and begins the first one.
  template <class... Tags>
  Query&& tagged(Tags&&... tags) && {
    (last().tags.emplace_back(std::forward<Tags>(tags)), ...);
    return std::move(*this);
  }
  template <class... Types>
  Query&& of_type(Types&&... types) && {
    (last().types.emplace_back(std::forward<Types>(types)), ...);
    return std::move(*this);
  }
  Query&& where(std::string key, std::string value) && {
    last().where.push_back({std::move(key), std::move(value)});
    return std::move(*this);
  }
  /// Begins another item.
  Query&& or_else() && {
    items.emplace_back();
    return std::move(*this);
  }

  bool everything() const { return items.empty(); }
  bool operator==(const Query&) const = default;

 private:
  QueryItem& last() {
    if (items.empty()) items.emplace_back();
    return items.back();
  }
};

/// The same query with empty and repeated parts removed and each list in order, so that equal
/// queries compare equal. Items with nothing in them match everything, and so does then the query.
Query normalized(Query query);

/// "sha256:..." is not needed here: a stable name of what a query matches, 32 hexadecimal digits,
/// the same for queries that normalize alike. For snapshots.
std::string hash_of(const Query& query);

/// What is known of an event when a query is judged. Views; the caller keeps them alive.
struct Subject {
  std::string_view type;
  const std::vector<std::string_view>& tags;
  /// Empty when the payload is not JSON: then no predicate holds.
  std::string_view json;
};

/// The meaning of a query, in one place: every index and every engine must agree with it.
bool matches(const Query& query, const Subject& subject);

/// JSON as on the wire and in the shell: {"items":[{"types":[..],"tags":[..],
/// "where":[{"key":..,"value":..}],"whereAny":true}]}.
/// Errors: invalid_argument naming the field; unknown fields are errors.
Result<Query> parse_query(std::string_view json);
std::string to_json(const Query& query);

}  // namespace weir
