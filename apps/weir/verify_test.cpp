#include <apps/weir/verifier.hpp>

#include <gmock/gmock.h>

#include <weir/store/testing/passing_store.hpp>

#include <apps/weir/shell_for_tests.hpp>

namespace weir::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A log as it should not be: it says of its events what the test tells it to.
class Damaged final : public testing::PassingStore {
 public:
  using PassingStore::PassingStore;

  std::function<void(RecordedEvent&)> change = [](RecordedEvent&) {};
  std::function<bool(const ReadRequest&, Position)> leave_out = [](const ReadRequest&, Position) {
    return false;
  };
  std::optional<Position> unreadable;

  using PassingStore::read_step;
  Result<ReadStep> read_step(ReadRequest request) override {
    if (unreadable && request.after < *unreadable && request.until >= *unreadable) {
      return damaged("the checksum is wrong");
    }
    WEIR_TRY_ASSIGN(step, PassingStore::read_step(request));
    BatchBuilder builder;
    for (const auto& view : step.batch) {
      if (leave_out(request, view.position())) continue;
      auto event = view.copy();
      change(event);
      builder.add({.position = event.position,
                   .id = &*event.id,
                   .type = event.type,
                   .tags = {event.tags.begin(), event.tags.end()},
                   .data = event.data,
                   .occurred_at = event.occurred_at,
                   .recorded_at = event.recorded_at});
    }
    step.batch = std::move(builder).build();
    return step;
  }
};

class Verify : public Shell {
 protected:
  Verify() {
    for (int i = 1; i <= 9; ++i) {
      EXPECT_TRUE(memory_.append({.events = {event(i % 2 == 0 ? "Even" : "Odd")
                                                 .json({{"reader", "ada"}})
                                                 .tagged("n:" + std::to_string(i), "all")}}));
    }
  }

  std::vector<std::string> findings(VerifyOptions options = {}) {
    std::vector<std::string> found;
    options.on_damage = [&](const std::string& damage) { found.push_back(damage); };
    const auto verified = verify_log(log_, options);
    EXPECT_EQ(verified.value().damages, found.size());
    return found;
  }

  testing::MemoryStore memory_{"default", {.indexed_keys = {"reader"}}};
  Damaged log_{memory_};
};

TEST_F(Verify, finds_nothing_in_a_whole_log) {
  EXPECT_THAT(findings(), IsEmpty());
  const auto verified = verify_log(log_, {}).value();
  EXPECT_EQ(verified.events, 9U);
  // Two types, ten tags, each tag with its types, and one indexed value.
  EXPECT_EQ(verified.terms, 2U + 10U + 9U + 2U + 1U);
  EXPECT_TRUE(verified.every_term);
}

TEST_F(Verify, names_positions_that_are_missing) {
  log_.leave_out = [](const ReadRequest&, Position p) {
    return p.value == 3 || p.value == 5 || p.value == 6 || p.value == 9;
  };
  EXPECT_THAT(findings(), ElementsAre("position 3 is missing", "positions 5 to 6 are missing",
                                      "position 9 is missing"));
}

TEST_F(Verify, names_a_time_that_goes_backwards) {
  log_.change = [](RecordedEvent& event) {
    if (event.position.value == 4) event.recorded_at -= std::chrono::hours(1);
  };
  EXPECT_THAT(findings(), ElementsAre(HasSubstr("position 4: recorded_at")));
}

TEST_F(Verify, names_a_payload_that_is_not_the_json_it_claims_to_be) {
  log_.change = [](RecordedEvent& event) {
    if (event.position.value == 4) event.data = "{\"reader\":";
  };
  EXPECT_THAT(findings(), Contains(HasSubstr("position 4: data: not valid JSON")));
}

TEST_F(Verify, names_the_term_whose_index_disagrees_with_the_scan) {
  log_.leave_out = [](const ReadRequest& request, Position p) {
    const bool by_tag = !request.query.everything() && !request.query.items[0].tags.empty() &&
                        request.query.items[0].types.empty();
    return by_tag && p.value == 4;
  };
  const auto found = findings();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_THAT(found[0], HasSubstr(R"({"items":[{"tags":["all"]}]} finds 8 events)"));
  EXPECT_THAT(found[1], HasSubstr(R"({"tags":["n:4"]}]} finds 0 events)"));
}

TEST_F(Verify, names_an_event_that_cannot_be_read_and_goes_on_behind_it) {
  log_.unreadable = Position(4);
  log_.leave_out = [](const ReadRequest&, Position p) { return p.value == 7; };
  EXPECT_THAT(findings(),
              ElementsAre("position 4: the checksum is wrong", "position 7 is missing"));
}

TEST_F(Verify, checks_the_same_sample_of_terms_every_time_when_there_are_too_many) {
  const auto first = verify_log(log_, {.terms_max = 8}).value();
  EXPECT_FALSE(first.every_term);
  EXPECT_LE(first.terms, 8U);
  EXPECT_EQ(verify_log(log_, {.terms_max = 8}).value().terms, first.terms);
}

// Events by umadb.v1 have longer ones than queries may ask for by default.
TEST_F(Verify, takes_types_and_tags_of_any_length_that_may_be_in_a_log) {
  const std::string type(1025, 'T'), tag(65'535, 't');
  ASSERT_TRUE(store().append(
      {.events = {event(type).json("{}").tagged(tag, "short")}, .limits = &umadb_limits()}));
  const auto embedded = weir({"verify", "--store", "sqlite:a.db"});
  EXPECT_EQ(embedded.exit, Exit::fine) << embedded.err;
  EXPECT_EQ(embedded.out, "1 events read, all 5 index terms compared: no damage\n");
  const auto served = weir({"verify"});
  EXPECT_EQ(served.exit, Exit::fine) << served.err;
  EXPECT_EQ(served.out,
            "1 events read, all 1 index terms but those past the server's limits compared: no "
            "damage\n");
  EXPECT_THAT(weir({"verify", "--json"}).out, HasSubstr("\"everyTerm\":false"));
}

TEST_F(Verify, the_command_says_so_and_exits_with_code_six_only_when_damaged) {
  ASSERT_EQ(weir({"append", "--type", "A"}).exit, Exit::fine);
  const auto fine = weir({"verify"});
  EXPECT_EQ(fine.exit, Exit::fine);
  EXPECT_EQ(fine.out, "1 events read, all 1 index terms compared: no damage\n");
  verify_engine_ = [](const std::string& store, const std::string& log, const OnDamage& tell) {
    tell(store + " " + log + ": page 7");
    return Result<void>();
  };
  const auto broken = weir({"verify", "--store", "sqlite:a.db", "--json"});
  EXPECT_EQ(broken.exit, Exit::damaged);
  EXPECT_EQ(broken.out,
            "{\"damage\":\"sqlite:a.db default: page 7\"}\n"
            "{\"events\":1,\"terms\":1,\"everyTerm\":true,\"damages\":1}\n");
}

}  // namespace
}  // namespace weir::cli
