#include <weir/store/sqlite/verify.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>

#include <weir/base/excerpt.hpp>
#include <weir/store/sqlite/file.hpp>

#include "migrations.hpp"

namespace weir::sqlite {
namespace {

/// Damages of one kind that are told one by one; the rest are only counted.
constexpr std::uint64_t told_max = 100;

/// A multiset of postings in a few bytes: equal sets have equal sums, whatever their order, and
/// different ones practically never do.
struct Sum {
  std::uint64_t count = 0;
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  void add(Term term, Position position) {
    const std::uint64_t pair[2] = {term, position.value};
    const auto hash = XXH3_128bits(pair, sizeof pair);
    ++count;
    low += hash.low64;
    high += hash.high64;
  }
  bool operator==(const Sum&) const = default;
};

class Verifier {
 public:
  Verifier(File& file, ReadConnection& connection, const OnDamage& on_damage)
      : file_(file), connection_(connection), on_damage_(on_damage) {}

  Result<void> run() {
    WEIR_TRY(pages());
    auto runs = load_runs(connection_.session, 1, {});
    if (!runs) {
      on_damage_(runs.error().message);
    } else {
      runs_ = *runs;
    }
    sums_.resize(runs_->runs.size());
    WEIR_TRY(events());
    WEIR_TRY(keys());
    return index();
  }

 private:
  Result<void> pages() {
    WEIR_TRY_ASSIGN(check, connection_.session.prepare("PRAGMA integrity_check(100)"));
    while (true) {
      const auto row = check.step();
      if (!row) return tell(row.error().message);
      if (!*row) return {};
      if (check.text(0) != "ok") on_damage_(fmt::format("file: {}", check.text(0)));
    }
  }

  Result<void> tell(const std::string& damage) {
    on_damage_(damage);
    return {};
  }

  Result<void> events() {
    WEIR_TRY_ASSIGN(rows, connection_.session.prepare(fmt::format(
                              "SELECT {}, checksum FROM event ORDER BY position", event_columns)));
    std::uint64_t bad = 0;
    while (true) {
      const auto row = rows.step();
      if (!row) return tell(fmt::format("after event {}: {}", last_.value, row.error().message));
      if (!*row) break;
      const Position position(static_cast<std::uint64_t>(rows.integer(0)));
      if (position != last_.next() && ++bad <= told_max) {
        on_damage_(missing(last_.next(), position.previous()));
      }
      last_ = position;
      if (const auto read = event(rows); !read && ++bad <= told_max) {
        on_damage_(read.error().message);
      }
    }
    if (bad > told_max) on_damage_(fmt::format("and {} more events", bad - told_max));
    if (last_ < runs_->reached()) on_damage_(missing(last_.next(), runs_->reached()));
    return {};
  }

  /// The end of a log is recorded nowhere, but a key tells what was appended with it.
  Result<void> keys() {
    WEIR_TRY_ASSIGN(past_end, connection_.session.prepare(
                                  "SELECT key, last_position FROM idempotency WHERE "
                                  "last_position > ? ORDER BY last_position DESC LIMIT 1"));
    past_end.bind(1, static_cast<std::int64_t>(last_.value));
    const auto row = past_end.step();
    if (!row) return tell(fmt::format("idempotency: {}", row.error().message));
    if (!*row) return {};
    const Position position(static_cast<std::uint64_t>(past_end.integer(1)));
    return tell(fmt::format("{}: key '{}' was given to an append up to {}",
                            missing(last_.next(), position), excerpt(past_end.text(0), 64),
                            position.value));
  }

  static std::string missing(Position first, Position last) {
    return first == last ? fmt::format("event {} is missing", first.value)
                         : fmt::format("events {} to {} are missing", first.value, last.value);
  }

  Result<void> event(const Statement& row) {
    WEIR_TRY_ASSIGN(fields, connection_.row.read(row));
    BatchBuilder builder;
    builder.add(*fields);
    const auto batch = std::move(builder).build();
    if (engine::checksum_of(*batch.begin()) !=
        static_cast<std::uint64_t>(row.integer(event_columns_count))) {
      return damaged(
          fmt::format("event {}: its contents do not match its checksum", fields->position.value));
    }
    const auto run = std::find_if(runs_->runs.begin(), runs_->runs.end(), [&](const auto& r) {
      return r->first <= fields->position && fields->position <= r->last;
    });
    if (run == runs_->runs.end()) return {};
    terms_.clear();
    engine::add_terms(file_.hasher(), fields->type, fields->tags,
                      is_json(fields->content_type) ? fields->data : std::string_view(), terms_);
    for (const auto term : terms_) {
      sums_[static_cast<std::size_t>(run - runs_->runs.begin())].add(term, fields->position);
    }
    return {};
  }

  Result<void> index() {
    for (std::size_t i = 0; i < runs_->runs.size(); ++i) {
      const auto& run = *runs_->runs[i];
      const auto what =
          fmt::format("index: the run of events {} to {}", run.first.value, run.last.value);
      const auto sum = sum_of(run);
      if (!sum) {
        on_damage_(fmt::format("{}: {}", what, sum.error().message));
      } else if (*sum != sums_[i]) {
        on_damage_(fmt::format("{} does not agree with the events", what));
      }
    }
    return {};
  }

  Result<Sum> sum_of(const Run& run) {
    Sum sum;
    for (std::size_t block = 0; block < run.fences.size(); ++block) {
      WEIR_TRY_ASSIGN(bytes,
                      connection_.blocks.read(run.first_block + static_cast<std::int64_t>(block)));
      bool first = true, fenced = true;
      const auto read = read_block(bytes, [&](Term term, std::vector<Position>& positions) {
        if (first) fenced = run.fences[block] == Posting{term, positions.front()};
        first = false;
        for (const auto position : positions) sum.add(term, position);
        return true;
      });
      connection_.blocks.release();
      WEIR_TRY(read);
      if (!fenced) return damaged(fmt::format("block {} is not where its fence says", block));
    }
    return sum;
  }

  File& file_;
  ReadConnection& connection_;
  const OnDamage& on_damage_;
  std::shared_ptr<const RunSet> runs_ = std::make_shared<RunSet>();
  std::vector<Sum> sums_;
  std::vector<Term> terms_;
  /// The last event that was found.
  Position last_;
};

/// False when a table or an index is gone: nothing can be read then.
Result<bool> parts_are_there(const std::string& path, const OnDamage& on_damage) {
  WEIR_TRY_ASSIGN(whole, Session::open({.path = ":memory:", .create = true}));
  for (const auto& migration : migrations()) WEIR_TRY(whole.execute(migration.sql));
  WEIR_TRY_ASSIGN(parts, whole.prepare("SELECT name FROM sqlite_master WHERE sql IS NOT NULL"));
  WEIR_TRY_ASSIGN(session, Session::open({.path = path}));
  WEIR_TRY_ASSIGN(find, session.prepare("SELECT 1 FROM sqlite_master WHERE name = ?"));
  bool all = true;
  while (true) {
    WEIR_TRY_ASSIGN(more, parts.step());
    if (!more) return all;
    const std::string part(parts.text(0));
    find.bind_text(1, part);
    WEIR_TRY_ASSIGN(there, find.step());
    find.reset();
    if (there) continue;
    on_damage(fmt::format("file: '{}' is missing", part));
    all = false;
  }
}

}  // namespace

Result<void> verify_file(const std::string& path, const OnDamage& on_damage) {
  auto file = File::open_to_look({.path = path});
  if (!file) {
    if (file.error().code != Code::data_loss) return file.error();
    on_damage(file.error().message);
    return {};
  }
  WEIR_TRY_ASSIGN(whole, parts_are_there(path, on_damage));
  if (!whole) return {};
  WEIR_TRY_ASSIGN(connection, (*file)->lease({}));
  // One moment of the log, whatever is appended meanwhile.
  WEIR_TRY(connection->begin.run());
  const auto verified = Verifier(**file, *connection, on_damage).run();
  WEIR_TRY(connection->commit.run());
  return verified;
}

}  // namespace weir::sqlite
