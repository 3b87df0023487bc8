#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include <weir/store/engine/mark.hpp>
#include <weir/store/engine/postings.hpp>
#include <weir/store/engine/terms.hpp>

namespace weir::engine {

/// One posting: an event has a term.
struct Posting {
  Term term = 0;
  Position position;

  auto operator<=>(const Posting&) const = default;
};

/// The inverted index of some consecutive events: each term leads to a chain of positions, the
/// newest first. Grows at the end only.
/// Threads: as a container.
class Segment {
 public:
  /// `terms`: how many different ones to make room for at first.
  explicit Segment(Position begin, std::size_t terms = 256);

  /// Events past `begin` up to `end` are in it.
  Position begin() const { return begin_; }
  Position end() const { return end_; }
  std::size_t events() const { return end_.value - begin_.value; }
  /// Different terms in it.
  std::size_t terms() const { return used_; }

  /// Adds the postings of the event that follows `end`.
  void add(Position position, std::span<const Term> terms);

  /// The newest position with the term.
  std::optional<Position> newest(Term term) const;
  /// Whether, by its terms, an event past `after` may match.
  bool may_match(const CompiledQuery& query, Position after) const;
  /// Positions in (after, until] with the term, in the direction's order.
  void collect(Term term, Position after, Position until, Direction direction,
               std::vector<Position>& out) const;
  /// Everything, by term and then by position.
  std::vector<Posting> sorted() const;

 private:
  struct Slot {
    Term term = 0;
    std::uint32_t head = 0;  ///< index + 1 of the newest node; 0: the slot is free
  };
  struct Node {
    std::uint32_t offset;  ///< position - begin
    std::uint32_t older;   ///< index + 1 of the next older node; 0: none
  };

  std::size_t find(Term term) const;
  void grow();

  Position begin_;
  Position end_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::vector<Node> nodes_;
};

/// The inverted index of the log's most recent events, in memory: segments of which the last one
/// grows. What conditions are judged by, and what reads use for events that no run holds yet.
/// Threads: any number of readers beside one writer.
class Tail {
 public:
  struct Options {
    /// Events after which a segment is sealed. Default 16,384.
    std::size_t segment_events = 16'384;
    /// Events kept for judging conditions, at least. Default 65,536.
    std::size_t keep_events = 65'536;
  };

  explicit Tail(Options options) : options_(options) { reset(Position()); }

  /// Events past begin() up to head() are known.
  Position begin() const;
  Position head() const;
  /// The head, and the mark of the event there; none while no event is known.
  struct Known {
    Position head;
    std::optional<Mark> mark;
    std::uint64_t rewinds = 0;  ///< see rewinds()
  };
  Known known() const;

  /// Forgets everything; the next event follows `head`.
  void reset(Position head);
  /// The same because the log was put back to an older state: what was judged by the events before
  /// is to be judged anew.
  void rewind(Position head);
  /// The same, unless somebody else has since `known`.
  void rewind(Position head, const Known& known);
  /// How often that was.
  std::uint64_t rewinds() const;
  /// Events from `first` on: for each the number of its terms, and all the terms in order. Those
  /// that are known already are passed over, so that whoever sees a committed event first may add
  /// it. `first` must not lie past head() + 1. `last` is of the last of these events.
  void append(Position first, std::span<const std::uint32_t> counts, std::span<const Term> terms,
              const std::optional<Mark>& last = std::nullopt);

  // For who reads the log in a transaction that began after known(): both do nothing should the log
  // have been rewound since, which that transaction need not see.

  /// Forgets everything, if it does not reach that far yet.
  void skip_to(const Known& known, Position position);
  void append(const Known& known, Position first, std::span<const std::uint32_t> counts,
              std::span<const Term> terms, const std::optional<Mark>& last = std::nullopt);

  /// Whether, by its terms, an event past `after` may match. Cheap when none does.
  bool may_match(const CompiledQuery& query, Position after) const;

  /// Sealed segments that end past `position`, oldest first, for an indexer.
  std::vector<std::shared_ptr<const Segment>> sealed_past(Position position) const;
  /// Segments up to here are indexed elsewhere and need not be kept beyond keep_events.
  void indexed(Position position);

  /// The tail as it is now: events past `begin` up to `end`, and a source over those of them in
  /// (after, until]. It stays what it is when the tail moves on.
  struct View {
    Position begin;
    Position end;
    std::unique_ptr<PostingSource> source;
  };
  View view(Position after, Position until, Direction direction) const;

 private:
  class Source;
  void begin_at(Position head);
  void add(Position first, std::span<const std::uint32_t> counts, std::span<const Term> terms,
           const std::optional<Mark>& last);
  void trim();
  bool has_past(Term term, Position after) const;

  const Options options_;
  mutable std::shared_mutex mutex_;
  std::deque<std::shared_ptr<Segment>> segments_;
  /// Of the event at the end of the last segment.
  std::optional<Mark> mark_;
  std::uint64_t rewinds_ = 0;
  Position indexed_ = position_max;
};

}  // namespace weir::engine
