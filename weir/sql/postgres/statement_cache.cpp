#include <weir/sql/postgres/statement_cache.hpp>

#include <utility>

#include <fmt/format.h>

namespace weir::postgres {
namespace {

/// Statements that are counted without being prepared.
constexpr std::size_t counted_max = 128;

}  // namespace

StatementCache::Entry& StatementCache::entry_for(std::string_view text) {
  if (const auto found = entries_.find(text); found != entries_.end()) return found->second;
  if (entries_.size() >= options_.prepared_max + counted_max) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->second.state != State::counted) continue;
      if (oldest == entries_.end() || it->second.last_used < oldest->second.last_used) oldest = it;
    }
    if (oldest != entries_.end()) entries_.erase(oldest);
  }
  return entries_.emplace(text, Entry()).first->second;
}

StatementCache::Way StatementCache::use(std::string_view text) {
  if (options_.prepared_max == 0) return {};
  auto& entry = entry_for(text);
  const auto used_before = entry.last_used;
  entry.last_used = ++time_;
  ++entry.uses;
  Way way;
  switch (entry.state) {
    case State::preparing:
    case State::prepared:
      way.name = entry.name;
      return way;
    case State::dropping:
      return way;
    case State::counted:
      break;
  }
  if (entry.uses < options_.prepare_after || !make_room(used_before, way.drop)) return way;
  entry.state = State::preparing;
  entry.name = way.name = fmt::format("{}_{}", prefix_, ++named_);
  way.prepare = unconfirmed_ = true;
  return way;
}

/// Whether there is, or can be, room for one that was used before at `used_before`.
bool StatementCache::make_room(std::uint64_t used_before, std::vector<std::string>& drop) {
  std::size_t kept = 0;
  Entry* oldest = nullptr;
  for (auto& [text, entry] : entries_) {
    if (entry.state != State::preparing && entry.state != State::prepared) continue;
    ++kept;
    if (entry.state == State::prepared &&
        (oldest == nullptr || entry.last_used < oldest->last_used)) {
      oldest = &entry;
    }
  }
  if (kept < options_.prepared_max) return true;
  if (kept > options_.prepared_max || oldest == nullptr || oldest->last_used > used_before) {
    return false;
  }
  oldest->state = State::dropping;
  unconfirmed_ = true;
  drop.push_back(oldest->name);
  return true;
}

void StatementCache::prepared(std::string_view name) {
  for (auto& [text, entry] : entries_) {
    if (entry.name == name && entry.state == State::preparing) entry.state = State::prepared;
  }
}

void StatementCache::dropped(std::string_view name) {
  for (auto& [text, entry] : entries_) {
    if (entry.name != name || entry.state != State::dropping) continue;
    entry.state = State::counted;
    entry.name.clear();
  }
}

void StatementCache::end_run() {
  if (!std::exchange(unconfirmed_, false)) return;
  for (auto& [text, entry] : entries_) {
    if (entry.state == State::dropping) entry.state = State::prepared;
    if (entry.state != State::preparing) continue;
    entry.state = State::counted;
    entry.name.clear();
  }
}

void StatementCache::forget() {
  entries_.clear();
  unconfirmed_ = false;
}

void StatementCache::turn_off() {
  forget();
  options_.prepared_max = 0;
}

}  // namespace weir::postgres
