#include <weir/store/sqlite/runs.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

namespace weir::sqlite {
namespace {

/// Postings of a run, in a plain map, and the run's blocks.
struct Built {
  std::map<Term, std::vector<Position>> postings;
  std::vector<Posting> fences;
  std::vector<std::string> blocks;
};

Built build(std::mt19937_64& random, std::size_t terms, std::uint64_t positions_max) {
  Built built;
  for (std::size_t i = 0; i < terms; ++i) {
    // Hashes are spread over all 64 bits; some lie side by side.
    const Term term = i % 5 == 0 && !built.postings.empty()
                          ? built.postings.rbegin()->first + 1 -
                                (built.postings.rbegin()->first == std::numeric_limits<Term>::max())
                          : random();
    auto& list = built.postings[term];
    if (!list.empty()) continue;
    std::uint64_t position = 0;
    for (auto n = 1 + random() % positions_max; n > 0; --n) {
      position += 1 + random() % (random() % 10 == 0 ? 1'000'000'000 : 5);
      list.push_back(Position(position));
    }
  }
  BlockBuilder builder([&](Posting fence, std::string block) {
    built.fences.push_back(fence);
    built.blocks.push_back(std::move(block));
  });
  for (const auto& [term, positions] : built.postings) {
    for (const auto position : positions) builder.add({term, position});
  }
  builder.finish();
  return built;
}

std::map<Term, std::vector<Position>> read_all(const Built& built) {
  std::map<Term, std::vector<Position>> read;
  for (const auto& block : built.blocks) {
    const auto done = read_block(block, [&](Term term, std::vector<Position>& positions) {
      auto& list = read[term];
      list.insert(list.end(), positions.begin(), positions.end());
      return true;
    });
    EXPECT_TRUE(done) << to_string(done.error());
  }
  return read;
}

TEST(Blocks, give_back_what_was_put_in) {
  std::mt19937_64 random(21);
  for (int round = 0; round < 60; ++round) {
    const auto built = build(random, 1 + random() % 300, round % 3 == 0 ? 5'000 : 20);
    ASSERT_EQ(read_all(built), built.postings);
    for (const auto& block : built.blocks) EXPECT_LE(block.size(), 3u * 4096);
  }
}

TEST(Blocks, find_one_term_as_a_walk_over_all_does) {
  std::mt19937_64 random(22);
  const auto built = build(random, 500, 200);
  for (const auto& [term, expected] : built.postings) {
    std::vector<Position> found;
    for (const auto& block : built.blocks) {
      const auto part = read_term(block, term);
      ASSERT_TRUE(part);
      found.insert(found.end(), part.value().begin(), part.value().end());
    }
    ASSERT_EQ(found, expected);
  }
  for (const auto& block : built.blocks) EXPECT_TRUE(read_term(block, 12345).value().empty());
}

TEST(Blocks, begin_with_their_fences_in_order) {
  std::mt19937_64 random(23);
  const auto built = build(random, 400, 300);
  ASSERT_GT(built.blocks.size(), 10u);
  for (std::size_t i = 0; i < built.blocks.size(); ++i) {
    std::optional<Posting> first;
    ASSERT_TRUE(read_block(built.blocks[i], [&](Term term, std::vector<Position>& positions) {
      first = Posting{term, positions.front()};
      return false;
    }));
    EXPECT_EQ(first, built.fences[i]);
    if (i > 0) {
      EXPECT_LT(built.fences[i - 1], built.fences[i]);
    }
  }
  const auto fences = decode_fences(encode_fences(built.fences));
  ASSERT_TRUE(fences);
  EXPECT_EQ(fences.value(), built.fences);
}

TEST(Blocks, that_are_damaged_are_reported_or_read_but_never_read_past_their_end) {
  std::mt19937_64 random(24);
  const auto built = build(random, 100, 50);
  for (int i = 0; i < 20'000; ++i) {
    // In a buffer of its own size, so that a sanitizer sees a step too far.
    auto block = std::make_unique<std::string>(built.blocks[random() % built.blocks.size()]);
    block->resize(random() % (block->size() + 1));
    block->shrink_to_fit();
    for (auto n = random() % 4; n > 0 && !block->empty(); --n) {
      (*block)[random() % block->size()] = static_cast<char>(random());
    }
    const auto read = read_block(*block, [](Term, std::vector<Position>&) { return true; });
    EXPECT_TRUE(read || read.error().code == Code::data_loss);
    const auto found = read_term(*block, random());
    EXPECT_TRUE(found || found.error().code == Code::data_loss);
  }
}

}  // namespace
}  // namespace weir::sqlite
