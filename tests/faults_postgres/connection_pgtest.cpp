#include <tests/faults_postgres/shielded_store.hpp>
#include <tests/support/cut_proxy.hpp>

namespace weir::faults_postgres {
namespace {

using namespace std::chrono_literals;
using testing_support::CutProxy;
using testing_support::Follower;
using testing_support::with_address;
using Way = CutProxy::Way;

/// A store that reaches its server by way of a proxy.
class Connections : public Faults {
 protected:
  std::string by_proxy() const { return with_address(uri, "127.0.0.1", proxy.port()); }

  CutProxy proxy{cluster().host(), cluster().port()};
};

TEST_F(Connections, cut_in_the_middle_of_commits_under_load_show_no_error_and_double_nothing) {
  const ShieldedStore store(by_proxy(), patient());
  show_no_error(store, 2, [&] {
    pause(300ms);
    std::uint64_t bytes = 1;
    // Until enough went through between the cuts, however slow the machine is; no longer than 12 s.
    const auto until = system_clock().instant() + 12s;
    const auto enough = [&] { return proxy.cuts() > 20 && ledger.events_acknowledged() > 20; };
    for (int i = 0; i < 40 || (!enough() && system_clock().instant() < until); ++i) {
      // At ever other places of ever other messages.
      bytes = bytes * 7 % 4093;
      proxy.cut_after(i % 2 == 0 ? Way::to_server : Way::to_client, bytes);
      pause(100ms);
    }
    proxy.calm();
    pause(500ms);
  });
  EXPECT_GT(proxy.cuts(), 20);
  EXPECT_GT(ledger.events_acknowledged(), 20u);
}

TEST_F(Connections, that_are_slow_and_lose_packets_show_no_error) {
  const ShieldedStore store(by_proxy(), patient());
  Follower follower{{}};
  follower.follow(store.log);
  // A twentieth of the packets has to be sent again, which takes TCP 200 ms.
  proxy.delay({.each = 5ms, .lost = 0.05, .resent_after = 200ms});
  const auto appenders = append(store);
  Readers readers(store.log, 4);
  pause(4s);
  appenders->join();
  readers.join();
  proxy.delay({});
  EXPECT_EQ(ledger.failures(), 0u);
  EXPECT_EQ(readers.errors(), 0u);
  EXPECT_GT(ledger.events_acknowledged(), 5u);
  compare(follower);
}

TEST_F(Connections, that_nobody_answers_are_given_up_at_the_callers_deadline) {
  const ShieldedStore store(by_proxy(), patient());
  ASSERT_TRUE(store.log->append({.events = {{.type = "Before", .data = "{}"}}}));
  proxy.swallow(true);
  const auto began = system_clock().instant();
  const auto appended = store.log->append(
      {.events = {{.type = "Swallowed", .data = "{}"}}, .call = {.deadline = began + 500ms}});
  EXPECT_EQ(appended.error().code, Code::deadline_exceeded) << to_string(appended.error());
  EXPECT_TRUE(engine::is_nothing_recorded(appended.error()));
  EXPECT_LT(system_clock().instant() - began, 3s);
  proxy.swallow(false);
  proxy.cut_now();
  ASSERT_TRUE(store.log->append({.events = {{.type = "After", .data = "{}"}}}));
  EXPECT_EQ(store.log->head().value(), Position(2));
}

TEST_F(Connections, that_are_refused_for_a_second_show_no_error) {
  const ShieldedStore store(by_proxy(), patient());
  show_no_error(store, 4, [&] {
    pause(300ms);
    proxy.refuse(true);
    proxy.cut_now();
    pause(1s);
    proxy.refuse(false);
    pause(1s);
  });
}

}  // namespace
}  // namespace weir::faults_postgres
