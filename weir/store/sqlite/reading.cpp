#include <weir/store/sqlite/reading.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <weir/base/assert.hpp>

namespace weir::sqlite {
namespace {

/// Events looked at in one step, matching or not: some ten milliseconds.
constexpr std::size_t looks_in_step_max = 20'000;
/// The same where nobody is to be kept waiting: some hundred microseconds.
constexpr std::size_t looks_at_once_max = 128;
/// Looks between two checks of whether the caller still wants it.
constexpr std::size_t looks_between_checks = 256;
/// Events in memory that are taken out together.
constexpr std::size_t kept_at_once = 64;

/// One step in the making. The range still to be looked at is (lo, hi].
class Step {
 public:
  Step(File& file, const ReadRequest& request)
      : file_(file), kept_(file.kept()), request_(request) {}

  /// By what is in memory alone; nothing when that is not enough.
  std::optional<ReadStep> from_memory(const File::End& end) {
    if (end.head > file_.tail()->head()) return std::nullopt;
    auto step = walk(end.head, end.runs);
    if (!step || missed_) return std::nullopt;
    return std::move(*step);
  }

  /// The same for what is soon done: the whole answer, or nothing.
  std::optional<ReadStep> at_once(const File::End& end) {
    looks_max_ = looks_at_once_max;
    auto step = from_memory(end);
    return step && step->end ? std::move(step) : std::nullopt;
  }

  /// What comes of it is of no use when the log was found to have been rewound meanwhile.
  Result<ReadStep> run(ReadConnection& connection) {
    connection_ = &connection;
    // The transaction sees what is there when its first statement runs.
    const auto state = file_.state();
    const auto known = file_.tail()->known();
    WEIR_TRY_ASSIGN(head, connection.read_head());
    WEIR_TRY_ASSIGN(holds, file_.still_holds(connection, known, head));
    if (!holds) return ReadStep();
    WEIR_TRY_ASSIGN(runs, file_.runs(connection, kept_));
    file_.saw_end(state, {head, runs});
    WEIR_TRY(file_.catch_up(connection, known, head, runs->reached()));
    return walk(head, std::move(runs));
  }

 private:
  Result<ReadStep> walk(Position head, std::shared_ptr<const RunSet> runs) {
    runs_ = std::move(runs);
    lo_ = request_.after;
    hi_ = std::min(request_.until.value_or(head), head);
    const auto query = engine::compile(request_.query, file_.hasher());
    // A scan fills its batch; what the index finds is mostly little.
    builder_.reserve(
        std::min<std::size_t>(request_.batch_bytes_max, query.scans ? 64 << 10 : 4 << 10));
    if (request_.limit != 0 && lo_ < hi_) {
      WEIR_TRY(forwards() ? walk_forwards(query) : walk_backwards(query));
    }
    const bool limited = request_.limit && builder_.size() >= *request_.limit;
    return ReadStep{.batch = std::move(builder_).build(),
                    .head = head,
                    .cursor = forwards() ? lo_ : hi_.next(),
                    .end = limited || lo_ >= hi_};
  }

  bool forwards() const { return request_.direction == Direction::forwards; }

  Result<void> walk_forwards(const engine::CompiledQuery& query) {
    if (query.scans) return scan(hi_);
    if (const auto reached = std::min(runs_->reached(), hi_); lo_ < reached) {
      WEIR_TRY(pick_from_runs(query, reached));
    }
    if (full_ || lo_ >= hi_) return {};
    const auto tail = file_.tail()->view(lo_, hi_, request_.direction);
    if (lo_ < tail.begin) WEIR_TRY(scan(std::min(tail.begin, hi_)));
    const auto tail_end = std::min(tail.end, hi_);
    if (!full_ && lo_ < tail_end) WEIR_TRY(pick(query, *tail.source, tail_end));
    return full_ || lo_ >= hi_ ? Result<void>() : scan(hi_);
  }

  Result<void> walk_backwards(const engine::CompiledQuery& query) {
    if (query.scans) return scan(lo_);
    const auto tail = file_.tail()->view(lo_, hi_, request_.direction);
    const auto reached = runs_->reached();
    if (hi_ > tail.end) WEIR_TRY(scan(std::max(tail.end, lo_)));
    // Runs and tail may overlap: what a run holds, the run is asked for.
    const auto tail_from = std::max({tail.begin, reached, lo_});
    if (!full_ && hi_ > tail_from) WEIR_TRY(pick(query, *tail.source, tail_from));
    if (!full_ && hi_ > std::max(reached, lo_)) WEIR_TRY(scan(std::max(reached, lo_)));
    if (!full_ && lo_ < hi_) WEIR_TRY(pick_from_runs(query, lo_));
    return {};
  }

  Result<void> pick_from_runs(const engine::CompiledQuery& query, Position to) {
    const bool whole = request_.after == Position() && (forwards() || !request_.limit);
    auto* blocks = connection_ == nullptr ? nullptr : &connection_->blocks;
    const auto source = make_run_source(*runs_, blocks, *file_.tail(), kept_.term_lists(),
                                        request_.direction, whole);
    return pick(query, *source, to);
  }

  /// Something is not in memory: what was found so far is of no use.
  Result<void> miss() {
    missed_ = full_ = true;
    return {};
  }

  /// Looks at every event up to `to` (backwards: down to, but not at it).
  Result<void> scan(Position to) {
    while (!full_ && (forwards() ? lo_ < to : hi_ > to)) {
      const auto from = forwards() ? lo_.next() : hi_;
      const auto kept = kept_.nearest_new(from, request_.direction);
      if (kept == from) {
        WEIR_TRY(scan_kept(to));
      } else if (connection_ == nullptr) {
        if (looks_ == 0) return miss();
        full_ = true;  // the rest is for the next step
      } else if (forwards()) {
        WEIR_TRY(scan_rows(kept ? std::min(kept->previous(), to) : to));
      } else {
        WEIR_TRY(scan_rows(kept ? std::max(*kept, to) : to));
      }
    }
    return {};
  }

  /// The same for some of those that are in memory, if they still are.
  Result<void> scan_kept(Position to) {
    std::array<std::string_view, kept_at_once> messages;
    std::shared_ptr<const void> held;
    auto position = forwards() ? lo_.next() : hi_;
    const auto left = forwards() ? to.value - lo_.value : hi_.value - to.value;
    const auto count =
        kept_.find_new(position, request_.direction,
                       std::span(messages).first(std::min<std::size_t>(left, kept_at_once)), held);
    for (std::size_t i = 0; i < count && !full_; ++i) {
      WEIR_TRY(take_kept(position, messages[i]));
      position = forwards() ? position.next() : position.previous();
    }
    return {};
  }

  /// The same by the table alone.
  Result<void> scan_rows(Position to) {
    auto& statement = forwards() ? connection_->forwards : connection_->backwards;
    const auto low = forwards() ? lo_ : to;
    const auto high = forwards() ? to : hi_;
    statement.bind(1, static_cast<std::int64_t>(low.value));
    statement.bind(2, static_cast<std::int64_t>(high.value));
    while (!full_) {
      WEIR_TRY_ASSIGN(row, statement.step());
      if (!row) break;
      if (const auto taken = take_next(statement); !taken) {
        statement.reset();
        return taken.error();
      }
    }
    statement.reset();
    if (!full_ && (forwards() ? lo_ < to : hi_ > to)) return missing();
    return {};
  }

  /// No position of a log is without its event.
  Result<void> take_next(const Statement& row) {
    const auto position = static_cast<std::uint64_t>(row.integer(0));
    if (position != (forwards() ? lo_.next() : hi_).value) return missing();
    return take(row);
  }

  Error missing() const { return event_missing((forwards() ? lo_.next() : hi_).value); }

  /// Candidates, and the events at them that are in memory. They are found ahead of being looked
  /// at: a read of a few events spends most of its time waiting for memory.
  struct Candidates {
    std::array<Position, RecentEvents::find_max> positions;
    std::array<std::string_view, RecentEvents::find_max> messages;
    std::array<std::shared_ptr<const void>, RecentEvents::find_max> held;
  };

  /// Looks at a source's candidates up to `to` (backwards: down to, but not at it).
  Result<void> pick(const engine::CompiledQuery& query, engine::PostingSource& source,
                    Position to) {
    WEIR_TRY_ASSIGN(cursor, engine::make_query_cursor(query, source, request_.direction));
    Candidates ahead;
    constexpr auto ahead_max = RecentEvents::find_max;
    auto from = forwards() ? lo_.next() : hi_;
    for (bool more = true; more && !full_;) {
      const auto wanted = request_.limit ? *request_.limit - builder_.size() : ahead_max;
      std::size_t count = 0;
      while (more && count < std::min<std::size_t>(wanted, ahead_max)) {
        WEIR_TRY_ASSIGN(found, cursor->seek(from));
        more = found && (forwards() ? *found <= to : *found > to);
        if (!more) break;
        from = forwards() ? found->next() : found->previous();
        ahead.positions[count++] = *found;
      }
      kept_.find(std::span(ahead.positions).first(count), std::span(ahead.messages).first(count),
                 std::span(ahead.held).first(count));
      for (std::size_t i = 0; i < count && !full_; ++i) {
        WEIR_TRY(look_at(ahead.positions[i], ahead.messages[i]));
      }
    }
    if (!full_) considered(to, to.next());
    return {};
  }

  /// `message`: empty when the event is not in memory.
  Result<void> look_at(Position position, std::string_view message) {
    if (!message.empty()) return take_kept(position, message);
    if (connection_ == nullptr) return miss();
    auto& one = connection_->one;
    one.bind(1, static_cast<std::int64_t>(position.value));
    WEIR_TRY_ASSIGN(row, one.step());
    if (!row) {
      return damaged(fmt::format("event {} is in the index, but not in the log", position.value));
    }
    const auto events = builder_.size();
    const auto taken = take(one);
    one.reset();
    WEIR_TRY(taken);
    if (builder_.size() > events) kept_.put_read(position, builder_.last());
    return {};
  }

  /// Judges the statement's row, adds it when it matches, and moves past it.
  Result<void> take(const Statement& statement) {
    WEIR_TRY_ASSIGN(fields, connection_->row.read(statement));
    if (wanted(*fields)) builder_.add(*fields);
    return looked_at(fields->position);
  }

  /// The same for an event as a batch holds it.
  Result<void> take_kept(Position position, std::string_view message) {
    if (!wants_all_) {
      const bool whole = view_.look_at(message, judged_by_);
      WEIR_ASSERT(whole);  // a builder made it
    }
    if (wants_all_ || wanted(view_)) builder_.add(position, message);
    return looked_at(position);
  }

  Result<void> looked_at(Position position) {
    considered(position, position);
    ++looks_;
    full_ = looks_ >= looks_max_ || builder_.size() >= request_.batch_events_max ||
            builder_.bytes() >= request_.batch_bytes_max ||
            (request_.limit && builder_.size() >= *request_.limit);
    if (looks_ % looks_between_checks == 0) {
      if (request_.call.stop.stop_requested()) return cancelled();
      if (request_.call.deadline && *request_.call.deadline <= system_clock().instant()) {
        return deadline_passed();
      }
    }
    return {};
  }

  EventView::Fields fields_that_judge() const {
    const auto& items = request_.query.items;
    const bool more = request_.occurred.from || request_.occurred.until ||
                      std::any_of(items.begin(), items.end(),
                                  [](const QueryItem& item) { return !item.where.empty(); });
    return more ? EventView::Fields::all : EventView::Fields::type_and_tags;
  }

  bool wanted(const EventFields& fields) const {
    return wanted(fields.occurred_at, fields.type, fields.tags, fields.content_type, fields.data);
  }
  bool wanted(const EventView& event) const {
    return wanted(event.occurred_at(), event.type(), event.tags(), event.content_type(),
                  event.data());
  }
  bool wanted(Timestamp occurred_at, std::string_view type,
              const std::vector<std::string_view>& tags, std::string_view content_type,
              std::string_view data) const {
    if (wants_all_) return true;
    const auto& range = request_.occurred;
    if (range.from && occurred_at < *range.from) return false;
    if (range.until && occurred_at > *range.until) return false;
    return matches(request_.query, {type, tags, is_json(content_type) ? data : std::string_view()});
  }

  /// Everything up to `low` (backwards: from `high` on) has been looked at.
  void considered(Position low, Position high) {
    if (forwards()) {
      lo_ = low;
    } else {
      hi_ = high.previous();
    }
  }

  File& file_;
  KeptOf kept_;
  const ReadRequest& request_;
  const bool wants_all_ =
      request_.query.everything() && !request_.occurred.from && !request_.occurred.until;
  const EventView::Fields judged_by_ = fields_that_judge();
  EventView view_;
  ReadConnection* connection_ = nullptr;
  std::shared_ptr<const RunSet> runs_;
  BatchBuilder builder_;
  Position lo_;
  Position hi_;
  std::size_t looks_ = 0;
  std::size_t looks_max_ = looks_in_step_max;
  bool full_ = false;
  bool missed_ = false;
};

/// Whether the connection may have suffered.
bool failed(const Result<ReadStep>& step) {
  return !step && step.error().code != Code::cancelled &&
         step.error().code != Code::deadline_exceeded;
}

Result<ReadStep> read_once(File& file, const ReadRequest& request) {
  if (request.call.stop.stop_requested()) return cancelled();
  Step from_memory(file, request);
  if (const auto end = file.end()) {
    if (auto step = from_memory.from_memory(*end)) return std::move(*step);
  }
  WEIR_TRY_ASSIGN(connection, file.lease(request.call));
  if (const auto begun = connection->begin.run(); !begun) {
    connection.discard();
    return begun.error();
  }
  auto step = Step(file, request).run(*connection);
  connection->blocks.release();
  // After an error the transaction may be over already, or not.
  const auto ended = connection->commit.run();
  if (!ended || failed(step)) connection.discard();
  if (step && !ended) return ended.error();
  return step;
}

}  // namespace

Result<ReadStep> read_step(File& file, const ReadRequest& request) {
  while (true) {
    const auto rewinds = file.tail()->rewinds();
    auto step = read_once(file, request);
    // Else what it took from memory may be of the log as it was.
    if (!step || file.tail()->rewinds() == rewinds) return step;
  }
}

std::optional<ReadStep> read_at_once(File& file, const ReadRequest& request) {
  // What looks at everything takes long, and what nobody waits for is answered elsewhere.
  if (request.query.everything() || request.call.stop.stop_requested()) return std::nullopt;
  const auto rewinds = file.tail()->rewinds();
  Step step(file, request);
  const auto end = file.end();
  auto read = end ? step.at_once(*end) : std::nullopt;
  return file.tail()->rewinds() == rewinds ? std::move(read) : std::nullopt;
}

}  // namespace weir::sqlite
