#include <apps/weir/importer.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weir/io/csv_events.hpp>
#include <weir/io/line_events.hpp>
#include <weir/store/testing/memory_store.hpp>
#include <weir/store/testing/passing_store.hpp>

namespace weir::cli {
namespace {

/// A store that does something of its own before or after appends.
class Meddling final : public testing::PassingStore {
 public:
  using PassingStore::PassingStore;

  /// Called before each append; an error is the append's answer.
  std::function<Result<void>()> before = [] { return Result<void>(); };
  /// Called after each append; an error replaces its answer.
  std::function<Result<void>()> after = [] { return Result<void>(); };

  using PassingStore::append;
  Result<Appended> append(AppendRequest request) override {
    WEIR_TRY(before());
    auto appended = PassingStore::append(std::move(request));
    WEIR_TRY(after());
    return appended;
  }
};

/// 100 rows, each one twice, in five cases.
std::string rows() {
  std::string csv = "type,case,time,note\n";
  for (int i = 0; i < 100; ++i) {
    csv += fmt::format("T{},{},2020-01-01T00:{:02}:00Z,x\n", i / 2 % 3, i / 2 % 5, 59 - i / 2);
  }
  return csv;
}

std::unique_ptr<io::EventSource> source_of(std::string csv) {
  return io::open_csv_events(std::move(csv),
                             {.type = "type", .tags = {{"case", "case"}}, .time = "time"})
      .value();
}

std::vector<std::pair<Uuid, std::string>> content(EventStore& store) {
  std::vector<std::pair<Uuid, std::string>> all;
  const auto known = store.read({}).collect().value();
  for (const auto& event : known.events) {
    all.emplace_back(event.id.value(),
                     event.type + event.data + format_timestamp(event.occurred_at));
  }
  return all;
}

TEST(Import, brings_in_every_row_once_in_the_order_of_time) {
  testing::MemoryStore store("default");
  const auto imported = import_events(*source_of(rows()), store, {.batch_events_max = 7});
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported.value().imported, 100U);
  const auto events = store.read({}).collect().value().events;
  ASSERT_EQ(events.size(), 100U);
  for (std::size_t i = 1; i < events.size(); ++i) {
    EXPECT_LE(events[i - 1].occurred_at, events[i].occurred_at);
  }
}

TEST(Import, run_again_adds_nothing) {
  testing::MemoryStore store("default");
  ASSERT_TRUE(import_events(*source_of(rows()), store, {}));
  const auto again = import_events(*source_of(rows()), store, {.batch_events_max = 3});
  EXPECT_EQ(again.value().imported, 0U);
  EXPECT_EQ(again.value().already_there, 100U);
  EXPECT_EQ(store.head({}).value(), Position(100));
}

TEST(Import, cut_off_anywhere_and_run_again_ends_as_one_whole_run) {
  testing::MemoryStore whole("default");
  ASSERT_TRUE(import_events(*source_of(rows()), whole, {}));
  for (int cut = 0; cut < 15; ++cut) {
    for (const bool recorded : {false, true}) {
      testing::MemoryStore inner("default");
      Meddling store(inner);
      int appends = 0;
      const auto fail = [&] {
        return appends++ == cut ? Result<void>(unavailable("cut off")) : Result<void>();
      };
      (recorded ? store.after : store.before) = fail;
      ASSERT_EQ(import_events(*source_of(rows()), store, {.batch_events_max = 7}).error().code,
                Code::unavailable);
      ASSERT_TRUE(import_events(*source_of(rows()), inner, {.batch_events_max = 4}));
      EXPECT_EQ(content(inner), content(whole)) << cut << recorded;
    }
  }
}

TEST(Import, beside_another_import_of_the_same_file_adds_nothing_twice) {
  testing::MemoryStore inner("default");
  Meddling store(inner);
  bool met = false;
  store.before = [&] {
    if (std::exchange(met, true)) return Result<void>();
    const auto other = import_events(*source_of(rows()), inner, {.batch_events_max = 9});
    return other ? Result<void>() : Result<void>(other.error());
  };
  const auto imported = import_events(*source_of(rows()), store, {.batch_events_max = 7});
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported.value().imported, 0U);
  EXPECT_EQ(imported.value().already_there, 100U);
  EXPECT_EQ(inner.head({}).value(), Position(100));
}

TEST(Import, beside_writers_of_the_same_types_brings_in_every_row) {
  testing::MemoryStore inner("default");
  Meddling store(inner);
  int appends = 0;
  store.before = [&]() -> Result<void> {
    if (++appends % 3 != 0) return {};
    const auto other = inner.append({.events = {event("T0").json("{}")}});
    return other ? Result<void>() : Result<void>(other.error());
  };
  const auto imported = import_events(*source_of(rows()), store, {.batch_events_max = 10});
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported.value().imported, 100U);
}

TEST(Import, strict_appends_nothing_when_a_row_is_bad) {
  testing::MemoryStore store("default");
  std::vector<std::uint64_t> lines;
  ImportOptions options{.strict = true};
  options.on_problem = [&](std::uint64_t line, const std::string&) { lines.push_back(line); };
  const auto refused = import_events(*source_of(rows() + "bad row\n"), store, options);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_EQ(lines, (std::vector<std::uint64_t>{102}));
  EXPECT_EQ(store.head({}).value(), Position(0));
}

TEST(Import, of_a_dry_run_says_what_would_be_and_appends_nothing) {
  testing::MemoryStore store("default");
  EXPECT_EQ(import_events(*source_of(rows()), store, {.dry_run = true}).value().imported, 100U);
  EXPECT_EQ(store.head({}).value(), Position(0));
}

TEST(Import, refuses_more_than_its_memory_holds) {
  testing::MemoryStore store("default");
  const auto refused = import_events(*source_of(rows()), store, {.memory_max = 500});
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("--memory-max"));
}

std::unique_ptr<io::EventSource> lines_of(const std::string& text) {
  auto* file = std::tmpfile();
  std::fwrite(text.data(), 1, text.size(), file);
  return io::open_line_events(file).value();
}

TEST(Import, keeps_tracking_and_skips_an_id_that_the_file_repeats) {
  const std::string text = R"({"type":"A","tracking":{"source":"s","position":1}})"
                           "\n"
                           R"({"type":"B","tracking":{"source":"s","position":1}})"
                           "\n"
                           R"({"type":"C","tracking":{"source":"s","position":2}})"
                           "\n"
                           R"({"type":"D","id":"0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11"})"
                           "\n"
                           R"({"type":"D","id":"0190e5c2-7d1f-7c4e-9a53-2f1f0c9b8a11"})"
                           "\n";
  testing::MemoryStore store("default");
  const auto imported = import_events(*lines_of(text), store, {});
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported.value().imported, 4U);
  EXPECT_EQ(imported.value().already_there, 1U);
  const auto events = store.read({}).collect().value().events;
  EXPECT_EQ(events[1].tracking, (Tracking{"s", 1}));
  EXPECT_EQ(events[2].tracking, (Tracking{"s", 2}));
  EXPECT_EQ(store.tracked("s", {}).value(), 2U);
  EXPECT_EQ(import_events(*lines_of(text), store, {}).value().imported, 0U);
}

TEST(Import, past_the_default_limits_is_on_a_condition_past_them_too) {
  const auto text = "{\"type\":\"" + std::string(1025, 'T') + "\"}\n";
  testing::MemoryStore store("default");
  const auto source = lines_of(text);
  source->set_limits(umadb_limits());
  const auto imported = import_events(*source, store, {.limits = &umadb_limits()});
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported.value().imported, 1U);
}

TEST(Import, keeps_events_without_id_so_and_finds_them_again) {
  const std::string line = "{\"id\":null,\"type\":\"A\",\"occurredAt\":\"2020-01-01T00:00:00Z\"}\n";
  const auto text = line + line + "{\"type\":\"B\"}\n" + line;
  testing::MemoryStore store("default");
  const ImportOptions options{.keep_without_id = true};
  EXPECT_EQ(import_events(*lines_of(text), store, options).value().imported, 4U);
  const auto events = store.read({}).collect().value().events;
  ASSERT_EQ(events.size(), 4U);
  EXPECT_FALSE(events[0].id || events[1].id || events[3].id);
  EXPECT_TRUE(events[2].id);
  EXPECT_EQ(import_events(*lines_of(text), store, options).value().imported, 0U);
  EXPECT_EQ(store.head({}).value(), Position(4));
}

}  // namespace
}  // namespace weir::cli
