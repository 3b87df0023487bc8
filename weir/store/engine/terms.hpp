#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <weir/store/event.hpp>
#include <weir/store/position.hpp>
#include <weir/store/query.hpp>

namespace weir::engine {

/// What an index knows an event by: a keyed 64-bit hash of a type, a tag or an indexed payload
/// value. Different texts may share a term, so what an index finds is only a candidate until
/// matches() has judged the event itself.
using Term = std::uint64_t;

/// Makes terms. The seed is a secret of the log, so that nobody can choose texts that collide.
class TermHasher {
 public:
  TermHasher(std::uint64_t seed, std::vector<std::string> indexed_keys);

  Term of_type(std::string_view type) const;
  Term of_tag(std::string_view tag) const;
  Term of_member(std::string_view key, std::string_view value) const;
  bool indexes(std::string_view key) const;
  bool indexes_members() const { return !indexed_keys_.empty(); }

 private:
  std::uint64_t seed_;
  std::vector<std::string> indexed_keys_;
};

/// The terms of one event: the first is its type's. Repeated tags give one term.
void add_terms(const TermHasher& hasher, std::string_view type,
               std::span<const std::string_view> tags, std::string_view json,
               std::vector<Term>& out);

/// A query item as an index sees it: all of `all`, and one of each group in `any`. Whatever else
/// the item asks is judged on the event.
struct CompiledItem {
  std::vector<Term> all;
  std::vector<std::vector<Term>> any;

  /// No term at all: only looking at every event will do.
  bool scans() const { return all.empty() && any.empty(); }
};

/// The terms of a query; what else it asks, the query itself says.
struct CompiledQuery {
  std::vector<CompiledItem> items;
  /// Some item, or the query having none, means looking at every event.
  bool scans = true;
};

CompiledQuery compile(const Query& query, const TermHasher& hasher);

/// A Subject of an event with its tags, for as long as the event lives.
class EventSubject {
 public:
  explicit EventSubject(const Event& event);
  Subject subject() const { return {type_, tags_, json_}; }

 private:
  std::string_view type_;
  std::vector<std::string_view> tags_;
  std::string_view json_;
};

}  // namespace weir::engine
