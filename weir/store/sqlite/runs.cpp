#include <weir/store/sqlite/runs.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include <weir/store/wire.hpp>

namespace weir::sqlite {
namespace {

constexpr std::size_t block_bytes = 4000;
/// A list longer than this goes on in another block, so that a seek need not read all of it.
constexpr std::size_t positions_per_term_max = 2000;

void put(std::string& out, std::uint64_t value) {
  char buffer[10];
  out.append(buffer, wire::put_varint(buffer, value));
}

void put_fixed(std::string& out, std::uint64_t value) {
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::uint64_t get_fixed(const char* from) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

/// Walks a block's bytes.
class BlockWalk {
 public:
  explicit BlockWalk(std::string_view block) : at_(block.data()), end_(at_ + block.size()) {
    if (block.size() < sizeof(Term)) {
      ok_ = block.empty();
      at_ = end_;
    } else {
      term_ = get_fixed(at_);
      at_ += sizeof(Term);
      first_ = true;
    }
  }

  bool next_term() {
    if (!ok_ || at_ == end_) return false;
    if (!first_) term_ += take();
    first_ = false;
    count_ = take();
    return ok_ && count_ > 0 && count_ <= positions_per_term_max;
  }
  Term term() const { return term_; }
  void positions(std::vector<Position>& out) {
    std::uint64_t position = 0;
    for (std::uint64_t i = 0; i < count_ && ok_; ++i) {
      position += take();
      out.push_back(Position(position));
    }
  }
  void skip() {
    for (std::uint64_t i = 0; i < count_ && at_ != end_; ++at_) {
      if ((static_cast<unsigned char>(*at_) & 0x80) == 0) ++i;
    }
  }
  bool whole() const { return ok_ && at_ == end_; }

 private:
  std::uint64_t take() {
    std::uint64_t value = 0;
    for (int shift = 0; at_ != end_ && shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
  bool first_ = false;
  Term term_ = 0;
  std::uint64_t count_ = 0;
};

Error bad_block() {
  return damaged("a block of the index can't be read");
}

}  // namespace

void BlockBuilder::add(Posting posting) {
  if (!positions_.empty() && posting.term != term_) end_term();
  if (positions_.size() == positions_per_term_max) {
    end_term();
    end_block();
  }
  term_ = posting.term;
  positions_.push_back(posting.position.value);
}

void BlockBuilder::end_term() {
  if (positions_.empty()) return;
  if (block_.size() >= block_bytes) end_block();
  if (block_.empty()) {
    fence_ = {term_, Position(positions_.front())};
    put_fixed(block_, term_);
  } else {
    put(block_, term_ - last_term_);
  }
  last_term_ = term_;
  put(block_, positions_.size());
  std::uint64_t last = 0;
  for (const auto position : positions_) {
    put(block_, position - last);
    last = position;
  }
  positions_.clear();
}

void BlockBuilder::end_block() {
  if (!block_.empty()) sink_(fence_, std::move(block_));
  block_.clear();
}

void BlockBuilder::finish() {
  end_term();
  end_block();
}

Result<void> read_block(std::string_view block,
                        const std::function<bool(Term, std::vector<Position>&)>& visit) {
  BlockWalk walk(block);
  std::vector<Position> positions;
  while (walk.next_term()) {
    positions.clear();
    walk.positions(positions);
    if (!visit(walk.term(), positions)) return {};
  }
  if (!walk.whole()) return bad_block();
  return {};
}

Result<std::vector<Position>> read_term(std::string_view block, Term term) {
  BlockWalk walk(block);
  std::vector<Position> positions;
  while (walk.next_term()) {
    if (walk.term() > term) return positions;
    if (walk.term() == term) {
      walk.positions(positions);
    } else {
      walk.skip();
    }
  }
  if (!walk.whole()) return bad_block();
  return positions;
}

Result<BlockReader> BlockReader::create(Session& session) {
  WEIR_TRY_ASSIGN(select, session.prepare("SELECT postings FROM block WHERE id = ?"));
  return BlockReader(std::move(select));
}

Result<std::string_view> BlockReader::read(std::int64_t id) {
  select_.reset();
  select_.bind(1, id);
  WEIR_TRY_ASSIGN(row, select_.step());
  if (!row) return damaged(fmt::format("block {} of the index is missing", id));
  return select_.text(0);
}

std::string encode_fences(const std::vector<Posting>& fences) {
  std::string blob;
  blob.reserve(fences.size() * 16);
  for (const auto& fence : fences) {
    put_fixed(blob, fence.term);
    put_fixed(blob, fence.position.value);
  }
  return blob;
}

Result<std::vector<Posting>> decode_fences(std::string_view blob) {
  if (blob.size() % 16 != 0) return damaged("the fences of a run of the index can't be read");
  std::vector<Posting> fences;
  fences.reserve(blob.size() / 16);
  for (std::size_t at = 0; at < blob.size(); at += 16) {
    fences.push_back({get_fixed(blob.data() + at), Position(get_fixed(blob.data() + at + 8))});
  }
  return fences;
}

}  // namespace weir::sqlite
