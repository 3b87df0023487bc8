#include <weir/store/sqlite/run_lists.hpp>

#include <algorithm>

namespace weir::sqlite {
namespace {

using Found = Result<std::optional<Position>>;

/// Terms with more positions are read block by block instead of being kept.
constexpr std::size_t kept_positions_max = 4096;
/// A list that goes on over more blocks of one run is certainly longer.
constexpr std::ptrdiff_t kept_blocks_max = 3;

void keep(TermLists lists, Term term, TermLists::Held list) {
  const auto bytes = sizeof(TermList) + list->positions.size() * sizeof(Position);
  lists.put(term, std::move(list), bytes);
}

/// The blocks of a run that may hold a term: from the last that begins before it to the last that
/// begins with it. Empty when last < first.
struct BlockRange {
  std::ptrdiff_t first = 0;
  std::ptrdiff_t last = -1;

  BlockRange(const Run& run, Term term) {
    const auto& fences = run.fences;
    const auto begin = std::lower_bound(fences.begin(), fences.end(), Posting{term, Position()});
    const auto end = std::upper_bound(begin, fences.end(), Posting{term, position_max});
    first = begin - fences.begin() - (begin == fences.begin() ? 0 : 1);
    last = end - fences.begin() - 1;
  }
};

/// One term's positions in a run. Holds those of one block at a time.
class RunCursor final : public engine::Cursor {
 public:
  RunCursor(const Run& run, BlockReader& blocks, Term term, Direction direction)
      : run_(run), blocks_(blocks), term_(term), direction_(direction), range_(run, term) {}

  Found seek(Position from) override {
    return direction_ == Direction::forwards ? seek_forwards(from) : seek_backwards(from);
  }

 private:
  using Index = std::ptrdiff_t;

  /// The block in which `position` stands if it is there at all.
  Index block_of(Position position) const {
    const auto begin = run_.fences.begin() + range_.first;
    const auto end = run_.fences.begin() + range_.last + 1;
    const auto past = std::upper_bound(begin, end, Posting{term_, position});
    return past == begin ? range_.first : past - run_.fences.begin() - 1;
  }

  Result<void> load(Index block) {
    if (block == loaded_) return {};
    WEIR_TRY_ASSIGN(bytes, blocks_.read(run_.first_block + block));
    WEIR_TRY_ASSIGN(positions, read_term(bytes, term_));
    positions_ = std::move(positions);
    loaded_ = block;
    return {};
  }

  Found seek_forwards(Position from) {
    for (auto block = std::max(block_of(from), range_.first); block <= range_.last; ++block) {
      WEIR_TRY(load(block));
      const auto found = std::lower_bound(positions_.begin(), positions_.end(), from);
      if (found != positions_.end()) return std::optional(*found);
    }
    return std::optional<Position>();
  }

  Found seek_backwards(Position from) {
    if (range_.last < range_.first) return std::optional<Position>();
    for (auto block = block_of(from); block >= range_.first; --block) {
      WEIR_TRY(load(block));
      const auto past = std::upper_bound(positions_.begin(), positions_.end(), from);
      if (past != positions_.begin()) return std::optional(*std::prev(past));
    }
    return std::optional<Position>();
  }

  const Run& run_;
  BlockReader& blocks_;
  Term term_;
  Direction direction_;
  BlockRange range_;
  Index loaded_ = -1;
  std::vector<Position> positions_;
};

/// One term's positions in one run after the other.
class RunsCursor final : public engine::Cursor {
 public:
  RunsCursor(const RunSet& runs, BlockReader& blocks, Term term, Direction direction)
      : runs_(runs.runs), blocks_(blocks), term_(term), direction_(direction) {}

  Found seek(Position from) override {
    const bool forwards = direction_ == Direction::forwards;
    while (true) {
      const auto at = run_of(from);
      if (at == runs_.size()) return std::optional<Position>();
      const auto& run = *runs_[at];
      if (at != at_ || !cursor_) {
        cursor_.emplace(run, blocks_, term_, direction_);
        at_ = at;
      }
      WEIR_TRY_ASSIGN(found, cursor_->seek(from));
      if (found) return found;
      from = forwards ? run.last.next() : run.first.previous();
      if (from == Position()) return std::optional<Position>();
    }
  }

 private:
  /// The run with the position, or the nearest one past it in the cursor's direction.
  std::size_t run_of(Position position) const {
    const auto past = std::lower_bound(runs_.begin(), runs_.end(), position,
                                       [](const auto& run, Position p) { return run->last < p; });
    const auto at = static_cast<std::size_t>(past - runs_.begin());
    if (direction_ == Direction::forwards || at < runs_.size()) return at;
    return runs_.size() - 1;
  }

  const std::vector<std::shared_ptr<const Run>>& runs_;
  BlockReader& blocks_;
  Term term_;
  Direction direction_;
  std::size_t at_ = 0;
  std::optional<RunCursor> cursor_;
};

/// Positions of a list that is kept.
class KeptCursor final : public engine::Cursor {
 public:
  KeptCursor(TermLists::Held list, Direction direction)
      : list_(std::move(list)), direction_(direction) {}

  Found seek(Position from) override {
    const auto& positions = list_->positions;
    if (direction_ == Direction::forwards) {
      const auto found = std::lower_bound(positions.begin(), positions.end(), from);
      return found == positions.end() ? std::optional<Position>() : std::optional(*found);
    }
    const auto past = std::upper_bound(positions.begin(), positions.end(), from);
    return past == positions.begin() ? std::optional<Position>() : std::optional(*std::prev(past));
  }

 private:
  TermLists::Held list_;
  Direction direction_;
};

class RunSource final : public engine::PostingSource {
 public:
  RunSource(const RunSet& runs, BlockReader* blocks, const engine::Tail& tail, TermLists lists,
            Direction direction, bool whole)
      : runs_(runs),
        blocks_(blocks),
        tail_(tail),
        lists_(lists),
        direction_(direction),
        whole_(whole) {}

  Result<std::unique_ptr<engine::Cursor>> list(Term term) override {
    auto kept = lists_.find(term);
    // One that reaches further than these runs has what they have, and what it has beyond lies
    // past where they are asked.
    if (!reaches_all(kept)) {
      auto extended = kept ? extend_by_tail(term, *kept) : TermLists::Held();
      if (!extended) {
        if (blocks_ == nullptr) return unavailable("not in memory");
        if (!kept && !whole_) return by_block(term);
        WEIR_TRY_ASSIGN(by_blocks, extend_by_blocks(term, kept.get()));
        if (!by_blocks) return by_block(term);
        extended = std::move(by_blocks);
      }
      keep(lists_, term, extended);
      kept = std::move(extended);
    }
    return std::unique_ptr<engine::Cursor>(
        std::make_unique<KeptCursor>(std::move(kept), direction_));
  }

 private:
  std::unique_ptr<engine::Cursor> by_block(Term term) {
    return std::make_unique<RunsCursor>(runs_, *blocks_, term, direction_);
  }

  bool reaches_all(const TermLists::Held& list) const {
    return list && list->reached >= runs_.reached();
  }

  /// What is known of a term, and what the tail has of newer runs; null when that does not go back
  /// far enough, or is too much to keep.
  TermLists::Held extend_by_tail(Term term, const TermList& known) const {
    const auto reached = runs_.reached();
    const auto view = tail_.view(known.reached, reached, Direction::forwards);
    if (view.begin > known.reached || view.end < reached) return {};
    const auto cursor = view.source->list(term);
    if (!cursor) return {};
    auto list = std::make_shared<TermList>(known);
    for (auto from = known.reached.next();;) {
      const auto found = (*cursor)->seek(from);
      if (!found) return {};
      if (!*found) break;
      list->positions.push_back(**found);
      from = (*found)->next();
    }
    if (list->positions.size() > kept_positions_max) return {};
    list->reached = reached;
    return list;
  }

  /// The same by what the newer runs themselves say; null when that is too much to keep.
  Result<TermLists::Held> extend_by_blocks(Term term, const TermList* known) {
    auto list = std::make_shared<TermList>();
    if (known != nullptr) *list = *known;
    for (const auto& run : runs_.runs) {
      if (run->last <= list->reached) continue;
      const BlockRange range(*run, term);
      if (range.last - range.first >= kept_blocks_max) return TermLists::Held();
      for (auto block = range.first; block <= range.last; ++block) {
        WEIR_TRY_ASSIGN(bytes, blocks_->read(run->first_block + block));
        WEIR_TRY_ASSIGN(positions, read_term(bytes, term));
        // A run that was merged since may begin before what is known.
        for (const auto position : positions) {
          if (position > list->reached) list->positions.push_back(position);
        }
      }
      list->reached = run->last;
      if (list->positions.size() > kept_positions_max) return TermLists::Held();
    }
    list->positions.shrink_to_fit();
    return TermLists::Held(std::move(list));
  }

  const RunSet& runs_;
  BlockReader* blocks_;
  const engine::Tail& tail_;
  TermLists lists_;
  Direction direction_;
  bool whole_;
};

}  // namespace

std::unique_ptr<engine::PostingSource> make_run_source(const RunSet& runs, BlockReader* blocks,
                                                       const engine::Tail& tail, TermLists lists,
                                                       Direction direction, bool whole) {
  return std::make_unique<RunSource>(runs, blocks, tail, lists, direction, whole);
}

}  // namespace weir::sqlite
