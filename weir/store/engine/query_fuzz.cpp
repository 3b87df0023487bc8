#include <algorithm>
#include <cstdint>
#include <string_view>

#include <weir/base/assert.hpp>
#include <weir/store/engine/terms.hpp>
#include <weir/store/limits.hpp>

namespace {

using weir::engine::Term;

bool finds(const weir::engine::CompiledItem& item, const std::vector<Term>& terms) {
  const auto has = [&](Term term) {
    return std::find(terms.begin(), terms.end(), term) != terms.end();
  };
  return std::all_of(item.all.begin(), item.all.end(), has) &&
         std::all_of(item.any.begin(), item.any.end(), [&](const std::vector<Term>& group) {
           return std::any_of(group.begin(), group.end(), has);
         });
}

}  // namespace

/// The first line is a query, the rest the payload of an event with types and tags of the query. A
/// query that is taken reads back from its JSON and means the same when it is normalized, and no
/// index misses an event that it matches.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = text.substr(0, text.find('\n'));
  auto read = parse_query(line);
  if (!read) {
    WEIR_ASSERT(!read.error().message.empty());
    return 0;
  }
  const auto& query = *read;
  const auto again = parse_query(to_json(query));
  WEIR_ASSERT(again.ok() && to_json(*again) == to_json(query));
  const auto normal = normalized(query);
  WEIR_ASSERT(normalized(normal) == normal && hash_of(normal) == hash_of(query));
  if (!check(query, Limits{}, "query") || query.items.size() > 16) return 0;

  const auto payload = text.substr(std::min(line.size() + 1, text.size()));
  const engine::TermHasher hasher(7, {"reader", "k"});
  const auto compiled = engine::compile(query, hasher);
  for (const auto& item : query.items) {
    const std::string_view type = item.types.empty() ? std::string_view("t") : item.types.back();
    const std::vector<std::string_view> tags(item.tags.rbegin(), item.tags.rend());
    const Subject subject{type, tags, payload};
    const bool matched = matches(query, subject);
    WEIR_ASSERT(matched == matches(normal, subject));
    if (!matched || compiled.scans) continue;
    std::vector<Term> terms;
    engine::add_terms(hasher, type, tags, payload, terms);
    WEIR_ASSERT(std::any_of(compiled.items.begin(), compiled.items.end(),
                            [&](const auto& one) { return finds(one, terms); }));
  }
  return 0;
}
