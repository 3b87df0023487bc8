#include <weir/store/engine/postings.hpp>

#include <algorithm>

#include <weir/base/assert.hpp>

namespace weir::engine {
namespace {

using Found = Result<std::optional<Position>>;

bool before(Position a, Position b, Direction direction) {
  return direction == Direction::forwards ? a < b : a > b;
}

class ListCursor final : public Cursor {
 public:
  ListCursor(std::vector<Position> positions, Direction direction)
      : positions_(std::move(positions)), direction_(direction) {}

  Found seek(Position from) override {
    const auto begin = positions_.begin() + static_cast<std::ptrdiff_t>(at_);
    const auto found =
        std::lower_bound(begin, positions_.end(), from,
                         [this](Position a, Position b) { return before(a, b, direction_); });
    at_ = static_cast<std::size_t>(found - positions_.begin());
    if (found == positions_.end()) return std::optional<Position>();
    return std::optional(*found);
  }

 private:
  std::vector<Position> positions_;
  Direction direction_;
  std::size_t at_ = 0;
};

/// Joins cursors by OR. Keeps each one's next position, so that one that is ahead is left alone.
class AnyCursor final : public Cursor {
 public:
  AnyCursor(std::vector<std::unique_ptr<Cursor>> cursors, Direction direction)
      : cursors_(std::move(cursors)), next_(cursors_.size()), direction_(direction) {}

  Found seek(Position from) override {
    std::optional<Position> nearest;
    for (std::size_t i = 0; i < cursors_.size(); ++i) {
      if (!started_ || (next_[i] && before(*next_[i], from, direction_))) {
        WEIR_TRY_ASSIGN(found, cursors_[i]->seek(from));
        next_[i] = found;
      }
      if (next_[i] && (!nearest || before(*next_[i], *nearest, direction_))) nearest = next_[i];
    }
    started_ = true;
    return nearest;
  }

 private:
  std::vector<std::unique_ptr<Cursor>> cursors_;
  std::vector<std::optional<Position>> next_;
  Direction direction_;
  bool started_ = false;
};

/// Joins cursors by AND: each is moved to where the furthest stands until all agree.
class AllCursor final : public Cursor {
 public:
  explicit AllCursor(std::vector<std::unique_ptr<Cursor>> cursors) : cursors_(std::move(cursors)) {}

  Found seek(Position from) override {
    std::size_t agreed = 0;
    Position target = from;
    for (std::size_t i = 0; agreed < cursors_.size(); i = (i + 1) % cursors_.size()) {
      WEIR_TRY_ASSIGN(found, cursors_[i]->seek(target));
      if (!found) return found;
      agreed = *found == target ? agreed + 1 : 1;
      target = *found;
    }
    return std::optional(target);
  }

 private:
  std::vector<std::unique_ptr<Cursor>> cursors_;
};

Result<std::unique_ptr<Cursor>> any_of(const std::vector<Term>& terms, PostingSource& source,
                                       Direction direction) {
  std::vector<std::unique_ptr<Cursor>> cursors;
  for (const auto term : terms) {
    WEIR_TRY_ASSIGN(cursor, source.list(term));
    cursors.push_back(std::move(cursor));
  }
  if (cursors.size() == 1) return std::move(cursors.front());
  return std::unique_ptr<Cursor>(std::make_unique<AnyCursor>(std::move(cursors), direction));
}

}  // namespace

std::unique_ptr<Cursor> make_list_cursor(std::vector<Position> positions, Direction direction) {
  return std::make_unique<ListCursor>(std::move(positions), direction);
}

Result<std::unique_ptr<Cursor>> make_query_cursor(const CompiledQuery& query, PostingSource& source,
                                                  Direction direction) {
  WEIR_ASSERT(!query.scans);
  std::vector<std::unique_ptr<Cursor>> items;
  for (const auto& item : query.items) {
    std::vector<std::unique_ptr<Cursor>> parts;
    for (const auto term : item.all) {
      WEIR_TRY_ASSIGN(cursor, source.list(term));
      parts.push_back(std::move(cursor));
    }
    for (const auto& group : item.any) {
      WEIR_TRY_ASSIGN(cursor, any_of(group, source, direction));
      parts.push_back(std::move(cursor));
    }
    if (parts.size() == 1) {
      items.push_back(std::move(parts.front()));
    } else {
      items.push_back(std::make_unique<AllCursor>(std::move(parts)));
    }
  }
  if (items.size() == 1) return std::move(items.front());
  return std::unique_ptr<Cursor>(std::make_unique<AnyCursor>(std::move(items), direction));
}

}  // namespace weir::engine
