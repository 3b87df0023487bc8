#include <weir/store/engine/terms.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>

#include <weir/base/json.hpp>

namespace weir::engine {
namespace {

// Kinds of terms differ in their seed, so that a type and a tag of one text are two terms.
constexpr std::uint64_t type_kind = 0x9E3779B97F4A7C15;
constexpr std::uint64_t tag_kind = 0xC2B2AE3D27D4EB4F;
constexpr std::uint64_t member_kind = 0x165667B19E3779F9;

Term hash(std::string_view text, std::uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace

TermHasher::TermHasher(std::uint64_t seed, std::vector<std::string> indexed_keys)
    : seed_(seed), indexed_keys_(std::move(indexed_keys)) {}

Term TermHasher::of_type(std::string_view type) const {
  return hash(type, seed_ ^ type_kind);
}

Term TermHasher::of_tag(std::string_view tag) const {
  return hash(tag, seed_ ^ tag_kind);
}

Term TermHasher::of_member(std::string_view key, std::string_view value) const {
  return hash(value, hash(key, seed_ ^ member_kind));
}

bool TermHasher::indexes(std::string_view key) const {
  return std::find(indexed_keys_.begin(), indexed_keys_.end(), key) != indexed_keys_.end();
}

void add_terms(const TermHasher& hasher, std::string_view type,
               std::span<const std::string_view> tags, std::string_view json,
               std::vector<Term>& out) {
  const auto begin = out.size();
  const auto add = [&](Term term) {
    if (std::find(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), term) == out.end()) {
      out.push_back(term);
    }
  };
  add(hasher.of_type(type));
  for (const auto tag : tags) add(hasher.of_tag(tag));
  if (hasher.indexes_members() && !json.empty()) {
    for_each_top_level_string(json, [&](std::string_view key, std::string_view value) {
      if (hasher.indexes(key)) add(hasher.of_member(key, value));
    });
  }
}

CompiledQuery compile(const Query& query, const TermHasher& hasher) {
  CompiledQuery compiled{.items = {}, .scans = query.everything()};
  compiled.items.reserve(query.items.size());
  for (const auto& item : query.items) {
    CompiledItem terms;
    terms.all.reserve(item.tags.size());
    for (const auto& tag : item.tags) terms.all.push_back(hasher.of_tag(tag));
    std::vector<Term> types;
    for (const auto& type : item.types) types.push_back(hasher.of_type(type));
    if (!types.empty()) terms.any.push_back(std::move(types));
    const bool all_indexed =
        std::all_of(item.where.begin(), item.where.end(),
                    [&](const Predicate& predicate) { return hasher.indexes(predicate.key); });
    if (item.where_any && item.where.size() > 1) {
      // One unindexed alternative may hold where no indexed one does.
      if (all_indexed) {
        std::vector<Term> members;
        for (const auto& [key, value] : item.where) members.push_back(hasher.of_member(key, value));
        terms.any.push_back(std::move(members));
      }
    } else {
      for (const auto& [key, value] : item.where) {
        if (hasher.indexes(key)) terms.all.push_back(hasher.of_member(key, value));
      }
    }
    compiled.scans = compiled.scans || terms.scans();
    compiled.items.push_back(std::move(terms));
  }
  return compiled;
}

EventSubject::EventSubject(const Event& event)
    : type_(event.type),
      tags_(event.tags.begin(), event.tags.end()),
      json_(is_json(event.content_type) ? std::string_view(event.data) : std::string_view()) {}

}  // namespace weir::engine
