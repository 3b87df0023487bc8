#include <weir/server/access.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/base/random.hpp>
#include <weir/telemetry/api/metric_list.hpp>
#include <weir/telemetry/prometheus/exposition.hpp>
#include <weir/telemetry/sdk/metric_registry.hpp>

namespace weir::server {
namespace {

using namespace std::chrono_literals;
using security::Right;
using ::testing::HasSubstr;
using ::testing::Not;

class StandingClock final : public Clock {
 public:
  Timestamp now() const override { return wall; }
  Instant instant() const override { return monotonic; }
  void pass(std::chrono::seconds time) {
    wall += time;
    monotonic += time;
  }
  Timestamp wall = parse_timestamp("2024-02-29T10:00:00Z").value();
  Instant monotonic{};
};

class AccessTest : public ::testing::Test {
 protected:
  security::NewToken make(std::uint64_t id, security::Rights rights,
                          std::optional<Timestamp> expires = {}) {
    return security::make_token(
               {.name = "billing", .rights = std::move(rights), .expires_at = expires}, clock_.wall,
               random_secret(), id)
        .value();
  }
  std::unique_ptr<Access> access(const std::vector<security::NewToken>& made) {
    return std::make_unique<Access>(
        AccessOptions{.tokens = tokens(made),
                      .meter = registry_.get(),
                      .clock = &clock_,
                      .log = [this](const std::string& line) { lines_.push_back(line); }});
  }
  static security::Tokens tokens(const std::vector<security::NewToken>& made) {
    security::Tokens out;
    for (const auto& each : made) EXPECT_TRUE(out.add(each.token));
    return out;
  }
  std::string metrics() {
    return telemetry::write_exposition(registry_->collect(), {}, telemetry::choose_exposition(""));
  }
  static Code code(const Result<void>& result) { return result ? Code{} : result.error().code; }

  StandingClock clock_;
  std::unique_ptr<telemetry::MetricRegistry> registry_ =
      telemetry::MetricRegistry::create({.clock = &clock_}).value();
  std::vector<std::string> lines_;
};

TEST_F(AccessTest, without_tokens_everybody_may_do_everything) {
  const Access access(AccessOptions{});
  EXPECT_TRUE(access.caller("", "somebody").may(Right::admin, "orders"));
  EXPECT_TRUE(access.caller("garbage", "somebody").known());
  EXPECT_TRUE(Caller().sees("orders"));
}

TEST_F(AccessTest, with_no_tokens_in_the_file_nobody_may_do_anything) {
  const auto none = access({});
  EXPECT_EQ(code(none->caller("", "x").known()), Code::unauthenticated);
}

TEST_F(AccessTest, tells_who_is_unknown_from_who_lacks_a_right) {
  const auto made = make(1, {.read = {"orders"}, .append = {"eu-*"}});
  const auto with = access({made});
  const auto caller = with->caller("Bearer " + made.secret, "ipv4:127.0.0.1:5");
  EXPECT_TRUE(caller.known());
  EXPECT_TRUE(caller.may(Right::read, "orders"));
  EXPECT_TRUE(caller.may(Right::append, "eu-1"));
  EXPECT_EQ(code(caller.may(Right::append, "orders")), Code::permission_denied);
  EXPECT_EQ(code(caller.may(Right::read, "")), Code::permission_denied);
  EXPECT_EQ(code(caller.may(Right::admin, "orders")), Code::permission_denied);
  EXPECT_THAT(caller.may(Right::append, "orders").error().message,
              HasSubstr("token 00000001 has no right to append log 'orders'"));
  EXPECT_TRUE(caller.sees("orders"));
  EXPECT_TRUE(caller.sees("eu-1"));
  EXPECT_FALSE(caller.sees("other"));
  for (const auto& wrong : std::vector<std::string>{
           "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "several", "Bearer " + made.secret + "0",
           "Bearer  " + made.secret, made.secret, "bearer x y z", std::string(100'000, 'B')}) {
    EXPECT_EQ(code(with->caller(wrong, "x").may(Right::read, "orders")), Code::unauthenticated)
        << wrong.substr(0, 100);
  }
  // The scheme's case does not matter (RFC 9110).
  EXPECT_TRUE(with->caller("bEARER " + made.secret, "x").known());
}

TEST_F(AccessTest, ends_a_token_when_it_expires) {
  const auto made = make(1, {.read = {"*"}}, clock_.wall + 60s);
  const auto with = access({made});
  const auto caller = with->caller("Bearer " + made.secret, "x");
  clock_.pass(59s);
  with->end_expired();
  EXPECT_TRUE(caller.may(Right::read, "orders"));
  EXPECT_FALSE(caller.ended().stop_requested());
  clock_.pass(1s);
  EXPECT_EQ(code(caller.may(Right::read, "orders")), Code::unauthenticated);
  EXPECT_FALSE(caller.ended().stop_requested());
  with->end_expired();
  EXPECT_TRUE(caller.ended().stop_requested());
  EXPECT_EQ(code(with->caller("Bearer " + made.secret, "x").known()), Code::unauthenticated);
}

// The old ones went while they were gone through: the address sanitizer's to see.
TEST_F(AccessTest, ends_expired_tokens_while_they_are_replaced) {
  std::vector<security::NewToken> made;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    made.push_back(make(id, {.read = {"*"}}, clock_.wall + 60s));
  }
  const auto with = access(made);
  std::vector<std::stop_token> ended;
  for (const auto& each : made) {
    ended.push_back(with->caller("Bearer " + each.secret, "x").ended());
  }
  const std::stop_callback replace(ended.front(), [&] { with->replace({}); });
  clock_.pass(60s);
  with->end_expired();
  for (const auto& token : ended) EXPECT_TRUE(token.stop_requested());
}

TEST_F(AccessTest, ends_what_is_revoked_or_changed_and_nothing_else) {
  const auto kept = make(1, {.read = {"*"}}), revoked = make(2, {.read = {"*"}});
  auto changed = make(3, {.read = {"*"}, .append = {"*"}});
  const auto with = access({kept, revoked, changed});
  const auto of = [&](const security::NewToken& token) {
    return with->caller("Bearer " + token.secret, "x");
  };
  const auto a = of(kept), b = of(revoked), c = of(changed);
  changed.token.rights.append.clear();
  with->replace(tokens({kept, changed}));
  EXPECT_FALSE(a.ended().stop_requested());
  EXPECT_TRUE(b.ended().stop_requested());
  EXPECT_TRUE(c.ended().stop_requested());
  EXPECT_TRUE(a.may(Right::read, "orders"));
  EXPECT_EQ(code(b.may(Right::read, "orders")), Code::unauthenticated);
  EXPECT_EQ(code(of(revoked).known()), Code::unauthenticated);
  EXPECT_TRUE(of(changed).may(Right::read, "orders"));
  EXPECT_EQ(code(of(changed).may(Right::append, "orders")), Code::permission_denied);
}

TEST_F(AccessTest, thousands_of_denied_calls_are_counted_and_fill_no_log) {
  const auto made = make(1, {.read = {"orders"}});
  const auto with = access({made});
  for (int i = 0; i < 20'000; ++i) {
    EXPECT_FALSE(with->caller("", "x").known());
    if (i % 20 == 19) clock_.pass(1s);
  }
  EXPECT_LE(lines_.size(), 10u + 1000u / 10u + 1u) << "a burst of 10, then one in 10 s";
  EXPECT_GE(lines_.size(), 100u);
  EXPECT_THAT(lines_.back(), HasSubstr("199 more were denied since the last line"));
  EXPECT_FALSE(with->caller("Bearer x", "x").known());
  EXPECT_FALSE(with->caller("Bearer " + made.secret, "x").may(Right::append, "orders"));
  EXPECT_THAT(metrics(), HasSubstr("weir_access_denied_total{error_type=\"missing\"} 20000"));
  EXPECT_THAT(metrics(), HasSubstr("weir_access_denied_total{error_type=\"unknown\"} 1"));
  EXPECT_THAT(metrics(), HasSubstr("weir_access_denied_total{error_type=\"right\"} 1"));
}

TEST_F(AccessTest, logs_who_was_denied_what_without_the_secret_and_in_one_line) {
  const auto made = make(0x3f9a1c02, {.read = {"orders"}});
  const auto with = access({made});
  const auto caller = with->caller("Bearer " + made.secret, "ipv4:127.0.0.1:5\n");
  EXPECT_FALSE(caller.may(Right::append, "or\nders"));
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            "denied a call from ipv4:127.0.0.1:5?: it has no right to append log "
            "'or?ders' (token 3f9a1c02, billing)");
  EXPECT_FALSE(with->caller("Bearer weir_3f9a1c02_" + std::string(64, 'a'), "x").known());
  EXPECT_FALSE(with->caller("Basic c2VjcmV0", "x").known());
  for (const auto& line : lines_) {
    EXPECT_THAT(line, Not(HasSubstr(made.secret.substr(14))));
    EXPECT_THAT(line, Not(HasSubstr("aaaa")));
    EXPECT_THAT(line, Not(HasSubstr("c2VjcmV0")));
  }
}

TEST(LineBudget, gives_a_burst_and_then_a_line_in_a_while_that_says_how_many_there_were) {
  LineBudget budget;
  Instant now{};
  for (int i = 0; i < LineBudget::burst; ++i) EXPECT_EQ(budget.take(now), 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(budget.take(now), 0u);
  now += LineBudget::between;
  EXPECT_EQ(budget.take(now), 6u);
  EXPECT_EQ(budget.take(now), 0u);
  now += LineBudget::between * 100;
  EXPECT_EQ(budget.take(now), 2u);
  for (int i = 1; i < LineBudget::burst; ++i) EXPECT_EQ(budget.take(now), 1u);
  EXPECT_EQ(budget.take(now), 0u);
}

}  // namespace
}  // namespace weir::server
