#include <weir/base/gate.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace weir {
namespace {

TEST(Gate, that_is_open_lets_pass_at_once) {
  Gate gate;
  gate.open();
  gate.wait();
}

TEST(Gate, holds_back_until_it_opens_and_shows_what_was_written_before) {
  for (int round = 0; round < 2'000; ++round) {
    auto gate = std::make_unique<Gate>();
    int written = 0;
    std::thread opener([&, at = gate.get()] {
      written = 7;
      at->open();
    });
    gate->wait();
    ASSERT_EQ(written, 7);
    opener.join();
    gate.reset();
  }
}

TEST(Gate, may_go_as_soon_as_its_waiter_has_passed) {
  std::vector<std::jthread> pairs;
  for (int pair = 0; pair < 4; ++pair) {
    pairs.emplace_back([] {
      for (int round = 0; round < 500; ++round) {
        std::atomic<Gate*> handed = nullptr;
        std::jthread opener([&] {
          while (handed.load() == nullptr) std::this_thread::yield();
          handed.load()->open();
        });
        auto gate = std::make_unique<Gate>();
        handed = gate.get();
        gate->wait();
        gate.reset();
      }
    });
  }
}

}  // namespace
}  // namespace weir
