#include <gtest/gtest.h>

#include <future>

#include <weir/server/served_for_tests.hpp>
#include <weir/store/sqlite/store.hpp>

#include <tests/support/temporary_folder.hpp>

namespace weir::server {
namespace {

class Callback : public ::testing::Test {
 protected:
  Callback() {
    auto place = std::make_unique<testing_support::TemporaryFolder>();
    const auto store =
        sqlite::Store::open({.path = place->file("log.db")}, std::make_shared<engine::Threads>());
    catalog_ = served(std::move(place), store);
    log = catalog_->open("default", {}).value();
  }

 private:
  std::shared_ptr<Catalog> catalog_;

 protected:
  std::shared_ptr<EventStore> log;
};

TEST_F(Callback, of_a_remote_log_that_blocks_is_told_so_instead_of_waiting_for_itself) {
  std::promise<Code> inside;
  log->head({}, [&](const Result<Position>& head) {
    EXPECT_TRUE(head);
    inside.set_value(log->head({}).error().code);
  });
  EXPECT_EQ(inside.get_future().get(), Code::failed_precondition);

  std::promise<Code> reading;
  log->head({}, [&](const Result<Position>&) {
    reading.set_value(log->open_read({})->next().error().code);
  });
  EXPECT_EQ(reading.get_future().get(), Code::failed_precondition);
}

TEST_F(Callback, of_a_remote_log_may_begin_the_next_call) {
  std::promise<Result<Position>> head;
  log->append({.events = {{.type = "One", .data = "{}"}}}, [&](const Result<Appended>& one) {
    EXPECT_TRUE(one);
    log->head({}, [&](const Result<Position>& found) { head.set_value(found); });
  });
  EXPECT_EQ(head.get_future().get().value(), Position(1));
}

}  // namespace
}  // namespace weir::server
