#include <apps/weir/condition_text.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <apps/weir/event_text.hpp>

namespace weir::cli {
namespace {

constexpr std::string_view option = "--if-nothing-new";

/// Takes the next word, without its quotes. Empty at the end.
Result<std::string> take_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\n"), rest.size()));
  std::string word;
  bool quoted = false;
  std::size_t i = 0;
  for (; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted && c == '\\' && i + 1 < rest.size()) {
      word += rest[++i];
    } else if (!quoted && (c == ' ' || c == '\t' || c == '\n')) {
      break;
    } else {
      word += c;
    }
  }
  if (quoted) return invalid_field(option, "has a quote that is not closed");
  rest.remove_prefix(i);
  return word;
}

Result<void> add_word(const std::string& word, QueryItem& item, Condition& condition) {
  WEIR_TRY_ASSIGN(pair, parse_pair(word, option));
  auto& [key, value] = pair;
  if (key == "tag") {
    item.tags.push_back(std::move(value));
  } else if (key == "type") {
    item.types.push_back(std::move(value));
  } else if (key == "where") {
    WEIR_TRY_ASSIGN(predicate, parse_pair(value, option));
    item.where.push_back({std::move(predicate.first), std::move(predicate.second)});
  } else if (key == "after" && !condition.after) {
    WEIR_TRY_ASSIGN(after, parse_number(value, option));
    condition.after = Position(after);
  } else {
    return invalid_field(option,
                         fmt::format("'{}': there are tag, type, where, and after once", key));
  }
  return {};
}

bool asked_for(const Query& query, std::string_view tag) {
  return std::any_of(query.items.begin(), query.items.end(), [&](const QueryItem& item) {
    return std::find(item.tags.begin(), item.tags.end(), tag) != item.tags.end();
  });
}

/// Type and tags: those that the condition names, or all when it names none of them.
std::string describe(const EventView& event, const Query& query) {
  std::string named, all;
  for (const auto tag : event.tags()) {
    all += ", " + printable(tag);
    if (asked_for(query, tag)) named += ", " + printable(tag);
  }
  return printable(event.type()) + (named.empty() ? all : named);
}

}  // namespace

Result<Condition> parse_condition(std::string_view text) {
  Condition condition;
  QueryItem item;
  auto rest = text;
  while (true) {
    WEIR_TRY_ASSIGN(word, take_word(rest));
    if (word.empty()) break;
    WEIR_TRY(add_word(word, item, condition));
  }
  if (item == QueryItem{} && !condition.after) {
    return invalid_field(option, "says nothing; for a condition on every event: after=POSITION");
  }
  if (item != QueryItem{}) condition.fail_if_events_match.items.push_back(std::move(item));
  return condition;
}

std::string explain_refusal(EventStore& store, const StoreOptions& options,
                            const Condition& condition, const Error& error, CallOptions call) {
  const auto found = error.details.find("position");
  const auto position = found == error.details.end()
                            ? Result<std::uint64_t>(internal_bug("no position"))
                            : parse_number(found->second, "position");
  std::string text = error.message;
  if (position && *position > 0) {
    std::string what;
    const auto read = store.read_step({.after = Position(*position).previous(),
                                       .until = Position(*position),
                                       .call = std::move(call)});
    if (read && !read.value().batch.empty()) {
      what = fmt::format(" ({})",
                         describe(*read.value().batch.begin(), condition.fail_if_events_match));
    }
    text = fmt::format("append condition failed: event {}{} was appended", *position, what);
    text += condition.after ? fmt::format(" after {}", condition.after->value) : " already";
  }
  text += "\n  read it with: weir read" + typed(condition.fail_if_events_match);
  if (condition.after) text += fmt::format(" --after {}", condition.after->value);
  return text + options.typed();
}

}  // namespace weir::cli
