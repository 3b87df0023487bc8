#pragma once

#include <memory>
#include <vector>

#include <weir/store/engine/cache.hpp>
#include <weir/store/engine/postings.hpp>
#include <weir/store/engine/tail.hpp>
#include <weir/store/sqlite/runs.hpp>

namespace weir::sqlite {

/// All positions up to `reached` that the runs hold for a term, in order. What the log holds up to
/// a position never changes, however the runs that say so are merged; so a list only ever grows.
struct TermList {
  Position reached;
  std::vector<Position> positions;
};
/// An event, or a term, of one of the files open in this process.
struct CacheKey {
  std::uint64_t file = 0;
  std::uint64_t what = 0;

  bool operator==(const CacheKey&) const = default;
};
struct CacheKeyHash {
  std::size_t operator()(const CacheKey& key) const {
    return key.what ^ (key.file * 0x9E3779B97F4A7C15u);
  }
};
using TermListCache = engine::Cache<CacheKey, TermList, CacheKeyHash>;

/// Those of one file.
struct TermLists {
  using Held = TermListCache::Held;
  TermListCache& cache;
  std::uint64_t file;

  Held find(Term term) const { return cache.find({file, term}); }
  void put(Term term, Held list, std::size_t bytes) const {
    cache.put({file, term}, std::move(list), bytes);
  }
};

/// The runs of a moment as one source. Rare terms are read whole and kept in `lists`, and those
/// kept before the newest runs were made are brought up to date by `tail`, where that goes back far
/// enough; frequent ones are read block by block as the cursor moves. A term that is not kept yet
/// is looked up in every run only when `whole` is set: when the read will want to look at most of
/// them anyway.
/// What is referred to must outlive it. Without `blocks`, a term that is not in memory is an error
/// (unavailable).
std::unique_ptr<engine::PostingSource> make_run_source(const RunSet& runs, BlockReader* blocks,
                                                       const engine::Tail& tail, TermLists lists,
                                                       Direction direction, bool whole);

}  // namespace weir::sqlite
