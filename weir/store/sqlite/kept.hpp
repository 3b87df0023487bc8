#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <weir/store/engine/cache.hpp>
#include <weir/store/sqlite/recent_events.hpp>
#include <weir/store/sqlite/run_lists.hpp>

namespace weir::sqlite {

/// Length and bytes of a message, in one piece of memory.
using EventCache = engine::Cache<CacheKey, char[], CacheKeyHash>;

/// What the files of a store keep in memory, within one bound: half of the events' for the newest,
/// half for those that were read.
struct Kept {
  explicit Kept(std::size_t event_bytes_max = 256 << 20, std::size_t list_bytes_max = 32 << 20)
      : newest(event_bytes_max / 2), read(event_bytes_max / 2), lists(list_bytes_max) {}
  RecentEvents newest;
  EventCache read;
  TermListCache lists;
};

/// What is kept of one log. Events are as a batch holds them, by position: a commit makes a reading
/// connection drop its pages, but an event never changes.
/// Threads: any; one at a time puts new events.
class KeptOf {
 public:
  /// `log`: a number that no other log ever has, nor the same when it was put back.
  KeptOf(Kept& kept, std::uint64_t log) : kept_(&kept), log_(log) {}

  std::uint64_t log() const { return log_; }
  void put_read(Position position, std::string_view message);
  void put_new(Position position, std::string_view message) {
    kept_->newest.put(log_, position, message);
  }
  /// Some of the memory for new events has never been used.
  bool has_room_for_new() const { return kept_->newest.has_room(); }
  /// As EventView::wire() gives them; empty where one is not there. Each is valid as long as its
  /// `held`. At most RecentEvents::find_max.
  void find(std::span<const Position> positions, std::span<std::string_view> messages,
            std::span<std::shared_ptr<const void>> held) const;
  /// Of the newest events, those at `position` and next to it: see RecentEvents.
  std::size_t find_new(Position position, Direction direction, std::span<std::string_view> out,
                       std::shared_ptr<const void>& held) const {
    return kept_->newest.find_some(log_, position, direction, out, held);
  }
  std::optional<Position> nearest_new(Position position, Direction direction) const {
    return kept_->newest.nearest(log_, position, direction);
  }
  /// Its lists of rare terms.
  TermLists term_lists() const { return {kept_->lists, log_}; }

 private:
  Kept* kept_;
  std::uint64_t log_;
};

}  // namespace weir::sqlite
