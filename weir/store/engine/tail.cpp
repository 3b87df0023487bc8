#include <weir/store/engine/tail.hpp>

#include <algorithm>
#include <bit>
#include <mutex>

#include <weir/base/assert.hpp>

namespace weir::engine {
namespace {

/// Whether the terms of some item can all be had, going by `past`.
template <class Past>
bool may_hold(const CompiledQuery& query, Past past) {
  if (query.scans) return true;
  return std::any_of(query.items.begin(), query.items.end(), [&](const CompiledItem& item) {
    return std::all_of(item.all.begin(), item.all.end(), past) &&
           std::all_of(item.any.begin(), item.any.end(), [&](const std::vector<Term>& group) {
             return std::any_of(group.begin(), group.end(), past);
           });
  });
}

}  // namespace

Segment::Segment(Position begin, std::size_t terms)
    : begin_(begin), end_(begin), slots_(std::bit_ceil(2 * terms)) {
  nodes_.reserve(2 * terms);
}

std::size_t Segment::find(Term term) const {
  // Terms are hashes already, so their low bits are as good as any.
  const auto mask = slots_.size() - 1;
  auto at = static_cast<std::size_t>(term) & mask;
  while (slots_[at].head != 0 && slots_[at].term != term) at = (at + 1) & mask;
  return at;
}

void Segment::grow() {
  auto old = std::move(slots_);
  slots_.assign(old.size() * 2, Slot{});
  for (const auto& slot : old) {
    if (slot.head != 0) slots_[find(slot.term)] = slot;
  }
}

void Segment::add(Position position, std::span<const Term> terms) {
  WEIR_ASSERT(position == end_.next());
  end_ = position;
  const auto offset = static_cast<std::uint32_t>(position.value - begin_.value);
  for (const auto term : terms) {
    auto at = find(term);
    if (slots_[at].head == 0) {
      if ((used_ + 1) * 2 > slots_.size()) {
        grow();
        at = find(term);
      }
      ++used_;
      slots_[at].term = term;
    }
    nodes_.push_back({offset, slots_[at].head});
    slots_[at].head = static_cast<std::uint32_t>(nodes_.size());
  }
}

std::optional<Position> Segment::newest(Term term) const {
  const auto& slot = slots_[find(term)];
  if (slot.head == 0) return std::nullopt;
  return Position(begin_.value + nodes_[slot.head - 1].offset);
}

bool Segment::may_match(const CompiledQuery& query, Position after) const {
  if (end_ <= after) return false;
  return may_hold(query, [&](Term term) {
    const auto position = newest(term);
    return position && *position > after;
  });
}

void Segment::collect(Term term, Position after, Position until, Direction direction,
                      std::vector<Position>& out) const {
  const auto old_size = out.size();
  for (auto node = slots_[find(term)].head; node != 0; node = nodes_[node - 1].older) {
    const Position position(begin_.value + nodes_[node - 1].offset);
    if (position <= after) break;
    if (position <= until) out.push_back(position);
  }
  if (direction == Direction::forwards) {
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(old_size), out.end());
  }
}

std::vector<Posting> Segment::sorted() const {
  std::vector<Posting> postings;
  postings.reserve(nodes_.size());
  for (const auto& slot : slots_) {
    for (auto node = slot.head; node != 0; node = nodes_[node - 1].older) {
      postings.push_back({slot.term, Position(begin_.value + nodes_[node - 1].offset)});
    }
  }
  std::sort(postings.begin(), postings.end());
  return postings;
}

Position Tail::begin() const {
  const std::shared_lock lock(mutex_);
  return segments_.front()->begin();
}

Position Tail::head() const {
  const std::shared_lock lock(mutex_);
  return segments_.back()->end();
}

Tail::Known Tail::known() const {
  const std::shared_lock lock(mutex_);
  return {.head = segments_.back()->end(), .mark = mark_, .rewinds = rewinds_};
}

std::uint64_t Tail::rewinds() const {
  const std::shared_lock lock(mutex_);
  return rewinds_;
}

/// With the lock held.
void Tail::begin_at(Position head) {
  segments_.clear();
  segments_.push_back(std::make_shared<Segment>(head));
  mark_.reset();
}

void Tail::reset(Position head) {
  const std::unique_lock lock(mutex_);
  begin_at(head);
}

void Tail::rewind(Position head) {
  const std::unique_lock lock(mutex_);
  begin_at(head);
  ++rewinds_;
}

void Tail::rewind(Position head, const Known& known) {
  const std::unique_lock lock(mutex_);
  if (rewinds_ != known.rewinds) return;
  begin_at(head);
  ++rewinds_;
}

void Tail::skip_to(const Known& known, Position position) {
  const std::unique_lock lock(mutex_);
  if (rewinds_ == known.rewinds && segments_.back()->end() < position) begin_at(position);
}

void Tail::append(Position first, std::span<const std::uint32_t> counts,
                  std::span<const Term> terms, const std::optional<Mark>& last) {
  const std::unique_lock lock(mutex_);
  add(first, counts, terms, last);
}

void Tail::append(const Known& known, Position first, std::span<const std::uint32_t> counts,
                  std::span<const Term> terms, const std::optional<Mark>& last) {
  const std::unique_lock lock(mutex_);
  if (rewinds_ == known.rewinds) add(first, counts, terms, last);
}

/// With the lock held.
void Tail::add(Position first, std::span<const std::uint32_t> counts, std::span<const Term> terms,
               const std::optional<Mark>& last) {
  WEIR_ASSERT(first <= segments_.back()->end().next());
  for (const auto count : counts) {
    if (first <= segments_.back()->end()) {
      first = first.next();
      terms = terms.subspan(count);
      continue;
    }
    first = first.next();
    if (segments_.back()->events() >= options_.segment_events) {
      // As many terms as the last one had: its table is then seldom grown.
      segments_.push_back(
          std::make_shared<Segment>(segments_.back()->end(), segments_.back()->terms()));
      trim();
    }
    auto& segment = *segments_.back();
    segment.add(segment.end().next(), terms.first(count));
    terms = terms.subspan(count);
    mark_.reset();
  }
  if (last && last->position == segments_.back()->end()) mark_ = last;
}

void Tail::trim() {
  const auto head = segments_.back()->end();
  while (segments_.size() > 1) {
    const auto& oldest = *segments_.front();
    if (oldest.end().value + options_.keep_events > head.value || oldest.end() > indexed_) return;
    segments_.pop_front();
  }
}

bool Tail::has_past(Term term, Position after) const {
  for (auto it = segments_.rbegin(); it != segments_.rend() && (*it)->end() > after; ++it) {
    if (const auto newest = (*it)->newest(term)) return *newest > after;
  }
  return false;
}

bool Tail::may_match(const CompiledQuery& query, Position after) const {
  const std::shared_lock lock(mutex_);
  if (segments_.back()->end() <= after) return false;
  return may_hold(query, [&](Term term) { return has_past(term, after); });
}

std::vector<std::shared_ptr<const Segment>> Tail::sealed_past(Position position) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const Segment>> sealed;
  for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
    if (segments_[i]->end() > position) sealed.push_back(segments_[i]);
  }
  return sealed;
}

void Tail::indexed(Position position) {
  const std::unique_lock lock(mutex_);
  indexed_ = position;
  trim();
}

/// Holds the segments it needs; the growing one is looked at under the tail's lock.
class Tail::Source final : public PostingSource {
 public:
  Source(const Tail& tail, std::vector<std::shared_ptr<Segment>> segments, Position after,
         Position until, Direction direction)
      : tail_(tail),
        segments_(std::move(segments)),
        after_(after),
        until_(until),
        direction_(direction) {
    if (direction == Direction::backwards) std::reverse(segments_.begin(), segments_.end());
  }

  Result<std::unique_ptr<Cursor>> list(Term term) override {
    std::vector<Position> positions;
    const std::shared_lock lock(tail_.mutex_);
    for (const auto& segment : segments_) {
      segment->collect(term, after_, until_, direction_, positions);
    }
    return make_list_cursor(std::move(positions), direction_);
  }

 private:
  const Tail& tail_;
  std::vector<std::shared_ptr<Segment>> segments_;
  Position after_;
  Position until_;
  Direction direction_;
};

Tail::View Tail::view(Position after, Position until, Direction direction) const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<Segment>> segments;
  for (const auto& segment : segments_) {
    if (segment->end() > after) segments.push_back(segment);
  }
  return {.begin = segments_.front()->begin(),
          .end = segments_.back()->end(),
          .source = std::make_unique<Source>(*this, std::move(segments), after, until, direction)};
}

}  // namespace weir::engine
