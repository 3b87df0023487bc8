#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/sql/sqlite/session.hpp>
#include <weir/store/engine/postings.hpp>
#include <weir/store/engine/tail.hpp>

namespace weir::sqlite {

using engine::Posting;
using engine::Term;

/// A sorted run of postings for the events in [first, last]: its blocks lie in the block table, and
/// the first posting of each (its fence) in memory.
struct Run {
  std::int64_t id = 0;
  int level = 0;
  Position first;
  Position last;
  std::int64_t first_block = 0;
  std::vector<Posting> fences;
};

/// All runs of one moment, in the order of their positions, without a gap.
struct RunSet {
  std::int64_t generation = 0;
  std::vector<std::shared_ptr<const Run>> runs;

  /// Everything up to here is indexed.
  Position reached() const { return runs.empty() ? Position() : runs.back()->last; }
};

/// Packs sorted postings into blocks of about 4 KiB. Format of a block: for each term its
/// difference to the one before (the first: 8 bytes, little endian), the number of its positions,
/// and these as differences; all but the first term as varints.
class BlockBuilder {
 public:
  /// Given each finished block with its fence.
  using Sink = std::function<void(Posting fence, std::string block)>;

  explicit BlockBuilder(Sink sink) : sink_(std::move(sink)) {}
  /// Terms, and positions of a term, must come in order.
  void add(Posting posting);
  void finish();

 private:
  void end_term();
  void end_block();

  Sink sink_;
  std::string block_;
  Posting fence_;
  Term last_term_ = 0;  ///< of the last term written to block_
  Term term_ = 0;
  std::vector<std::uint64_t> positions_;
};

/// Calls `visit` with each posting of a block, in order. False from it ends the walk.
/// Errors: data_loss.
Result<void> read_block(std::string_view block,
                        const std::function<bool(Term, std::vector<Position>&)>& visit);
/// Only the positions of one term; the others are skipped.
Result<std::vector<Position>> read_term(std::string_view block, Term term);

/// Fetches blocks by number. Threads: its session's.
class BlockReader {
 public:
  static Result<BlockReader> create(Session& session);
  /// Valid until the next call.
  Result<std::string_view> read(std::int64_t id);
  /// Lets go of the last block, so that the transaction can end.
  void release() { select_.reset(); }

 private:
  explicit BlockReader(Statement select) : select_(std::move(select)) {}
  Statement select_;
};

std::string encode_fences(const std::vector<Posting>& fences);
Result<std::vector<Posting>> decode_fences(std::string_view blob);

}  // namespace weir::sqlite
