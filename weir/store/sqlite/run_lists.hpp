#pragma once

#include <memory>
#include <vector>

#include <weir/store/engine/cache.hpp>
#include <weir/store/engine/postings.hpp>
#include <weir/store/sqlite/runs.hpp>

namespace weir::sqlite {

/// All positions up to `reached` that the runs hold for a term, in order. What the log holds up to
/// a position never changes, however the runs that say so are merged; so a list only ever grows.
struct TermList {
  Position reached;
  std::vector<Position> positions;
};
using TermLists = engine::Cache<Term, TermList>;

/// The runs of a moment as one source. Rare terms are read whole and kept in `lists`; frequent ones
/// block by block as the cursor moves. `runs`, `blocks` and `lists` must outlive it; `blocks` may
/// be null when all_kept().
/// A term that is not kept yet is looked up in every run only when `whole` is set: when the read
/// will want to look at most of them anyway.
std::unique_ptr<engine::PostingSource> make_run_source(const RunSet& runs, BlockReader* blocks,
                                                       TermLists& lists, Direction direction,
                                                       bool whole);

/// Whether all that the runs hold for these terms is in memory.
bool all_kept(const RunSet& runs, TermLists& lists, const engine::CompiledQuery& query);

}  // namespace weir::sqlite
