#include <weir/store/sqlite/file.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/json.hpp>

#include <weir/base/batching.hpp>
#include <weir/base/json.hpp>

#include "migrations.hpp"

namespace weir::sqlite {
namespace {

/// Events by which a reader may see more than the tail before it brings it up; fewer are looked at
/// one by one.
constexpr std::uint64_t behind_max = 64;

/// Newest events that the tail takes up at most; what lies between the runs and these is looked at
/// row by row until the indexer has made runs of it.
constexpr std::uint64_t taken_up_max = 256 << 10;

std::atomic<std::uint64_t> next_kept_as = 1;

Position begin_of_tail(Position reached, Position head) {
  return std::max(reached, Position(head.value - std::min(head.value, taken_up_max)));
}

std::string to_json(const std::vector<std::string>& list) {
  std::string json = "[";
  for (const auto& text : list) {
    if (json.size() > 1) json += ',';
    append_json_string(json, text);
  }
  return json + "]";
}

Result<std::vector<std::string>> strings_of(std::string_view text) {
  boost::json::error_code error;
  const auto value = boost::json::parse({text.data(), text.size()}, error);
  if (error || !value.is_array()) return damaged("meta.indexed_keys can't be read");
  std::vector<std::string> list;
  for (const auto& entry : value.get_array()) {
    if (!entry.is_string()) return damaged("meta.indexed_keys can't be read");
    list.emplace_back(entry.get_string());
  }
  return list;
}

Result<void> put_meta(Statement& insert, std::string_view key, std::int64_t value) {
  insert.bind_text(1, key);
  insert.bind(2, value);
  return insert.run();
}

Result<void> put_meta(Statement& insert, std::string_view key, std::string_view value) {
  insert.bind_text(1, key);
  insert.bind_text(2, value);
  return insert.run();
}

Result<void> describe(Session& session, const FileOptions& options) {
  WEIR_TRY_ASSIGN(insert, session.prepare("INSERT INTO meta (key, value) VALUES (?, ?)"));
  std::random_device device;
  const auto seed =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(device()) << 32 | device());
  WEIR_TRY(put_meta(insert, "name", options.name));
  WEIR_TRY(put_meta(insert, "created_at", system_clock().now().time_since_epoch().count()));
  WEIR_TRY(put_meta(insert, "term_seed", seed));
  WEIR_TRY(put_meta(insert, "indexed_keys", to_json(options.log.indexed_keys)));
  WEIR_TRY(put_meta(insert, "index_generation", 0));
  return put_meta(insert, "schema_version", 0);
}

/// What was made has a log in it at once, or was never finished.
Error no_log(const FileOptions& options) {
  return damaged(fmt::format("'{}' is empty, and no log", options.path));
}

/// Whether there is a log; nothing is there yet when there is none.
/// Errors: failed_precondition (something else is), data_loss (a log should be there).
Result<bool> has_log(Session& session, const FileOptions& options) {
  WEIR_TRY_ASSIGN(tables, session.query_integer("SELECT count(*) FROM sqlite_master"));
  WEIR_TRY_ASSIGN(described,
                  session.query_integer("SELECT count(*) FROM sqlite_master WHERE name = 'meta'"));
  if (tables > 0 && described == 0) {
    return Error{
        .code = Code::failed_precondition,
        .reason = Reason::unspecified,
        .message = fmt::format("'{}' is a SQLite database, but not a log of Weir's", options.path)};
  }
  if (tables == 0 && !options.create) return no_log(options);
  return described > 0;
}

Result<void> migrate_locked(Session& session, const FileOptions& options) {
  WEIR_TRY_ASSIGN(described, has_log(session, options));
  std::int64_t version = 0;
  if (described) {
    WEIR_TRY_ASSIGN(recorded,
                    session.query_integer("SELECT value FROM meta WHERE key = 'schema_version'"));
    version = recorded;
    if (version < 1) return damaged(fmt::format("meta.schema_version is {}", version));
  }
  if (version > schema_version) {
    return Error{.code = Code::failed_precondition,
                 .reason = Reason::schema_too_new,
                 .message = fmt::format("'{}' has schema version {}, this program knows up to {}: "
                                        "use a newer weir",
                                        options.path, version, schema_version)};
  }
  if (version == schema_version) return {};
  for (const auto& migration : migrations()) {
    if (migration.version > version) WEIR_TRY(session.execute(migration.sql));
  }
  if (!described) WEIR_TRY(describe(session, options));
  WEIR_TRY_ASSIGN(update,
                  session.prepare("UPDATE meta SET value = ? WHERE key = 'schema_version'"));
  update.bind(1, schema_version);
  return update.run();
}

}  // namespace

Result<void> migrate(Session& session, const FileOptions& options) {
  // Looked at without the write lock first: nearly always there is nothing to do.
  if (const auto version =
          session.query_integer("SELECT value FROM meta WHERE key = 'schema_version'");
      version.ok() && *version == schema_version) {
    return {};
  }
  WEIR_TRY(session.execute("BEGIN IMMEDIATE"));
  if (const auto migrated = migrate_locked(session, options); !migrated) {
    // After an I/O error the transaction may be over already: then there is nothing to undo, and
    // what went wrong first is what the caller must know. The session is not used again.
    if (const auto undone = session.execute("ROLLBACK"); !undone) {
      spdlog::debug("'{}': {}", options.path, to_string(undone.error()));
    }
    return migrated.error();
  }
  return session.execute("COMMIT");
}

Result<Session> open_for_writing(const FileOptions& options) {
  WEIR_TRY_ASSIGN(session, Session::open({.path = options.path,
                                          .create = options.create,
                                          .busy_timeout = options.busy_timeout,
                                          .cache_kib = options.writer_cache_kib,
                                          .vfs = options.vfs,
                                          .reporting = options.reporting,
                                          .preallocate_log = true}));
  {
    WEIR_TRY_ASSIGN(mode, session.prepare("PRAGMA journal_mode"));
    WEIR_TRY_ASSIGN(known, mode.step());
    const bool changes = !known || mode.text(0) != "wal";
    mode.reset();
    // For good, so that it must be a log, or nothing yet.
    if (changes) WEIR_TRY(has_log(session, options));
  }
  // page_size only matters for a new file, and comes before the journal mode.
  WEIR_TRY(session.execute("PRAGMA page_size=8192"));
  WEIR_TRY(session.execute("PRAGMA journal_mode=WAL"));
  WEIR_TRY(session.execute("PRAGMA synchronous=FULL"));
  // Checkpoints are the maintenance thread's.
  WEIR_TRY(session.execute("PRAGMA wal_autocheckpoint=0"));
  return session;
}

File::File(FileOptions options)
    : options_(std::move(options)),
      kept_(options_.kept ? options_.kept : std::make_shared<Kept>()),
      kept_as_(next_kept_as.fetch_add(1)) {}

File::~File() {
  kept_->newest.forget(kept_as_);
}

Result<std::shared_ptr<File>> File::open(FileOptions options) {
  auto file = std::shared_ptr<File>(new File(std::move(options)));
  WEIR_TRY(file->load_meta());
  WEIR_TRY(file->watch_changes());
  WEIR_TRY(file->load_tail());
  return file;
}

Result<std::shared_ptr<File>> File::open_to_look(FileOptions options) {
  auto file = std::shared_ptr<File>(new File(std::move(options)));
  WEIR_TRY(file->load_meta());
  return file;
}

Result<void> File::load_meta() {
  WEIR_TRY_ASSIGN(session, open_for_writing(options_));
  WEIR_TRY(migrate(session, options_));
  id_ = file_id(options_.path);
  WEIR_TRY_ASSIGN(meta, session.prepare("SELECT key, value FROM meta"));
  std::map<std::string, std::string> texts;
  std::map<std::string, std::int64_t> numbers;
  while (true) {
    WEIR_TRY_ASSIGN(row, meta.step());
    if (!row) break;
    texts.emplace(meta.text(0), meta.text(1));
    numbers.emplace(meta.text(0), meta.integer(1));
  }
  for (const auto* key : {"name", "created_at", "term_seed", "indexed_keys"}) {
    if (!texts.contains(key)) return damaged(fmt::format("meta.{} is missing", key));
  }
  WEIR_TRY_ASSIGN(keys, strings_of(texts["indexed_keys"]));
  info_ = {.name = texts["name"],
           .head = Position(),
           .options = {.indexed_keys = keys},
           .created_at = from_micros(numbers["created_at"])};
  hasher_ =
      std::make_unique<engine::TermHasher>(static_cast<std::uint64_t>(numbers["term_seed"]), keys);
  return {};
}

Result<void> File::check_place() const {
  if (file_id(options_.path) == id_) return {};
  return unavailable(
      fmt::format("'{}' was moved, removed or replaced while it was open", options_.path));
}

Result<void> File::load_tail() {
  tail_ = std::make_shared<engine::Tail>(
      engine::Tail::Options{.segment_events = options_.segment_events});
  tail_->indexed(Position());
  WEIR_TRY_ASSIGN(connection, lease({}));
  const auto state = this->state();
  WEIR_TRY(connection->begin.run());
  WEIR_TRY_ASSIGN(runs, this->runs(*connection, kept()));
  WEIR_TRY_ASSIGN(head, connection->read_head());
  info_.head = head;
  tail_->reset(begin_of_tail(runs->reached(), head));
  saw_end(state, {head, runs});
  const auto caught_up = catch_up(*connection, tail_->known(), head, runs->reached());
  WEIR_TRY(connection->commit.run());
  return caught_up;
}

void File::forget() {
  {
    const std::lock_guard lock(runs_mutex_);
    kept_->newest.forget(kept_as_.exchange(next_kept_as.fetch_add(1)));
    runs_ = std::make_shared<RunSet>();
  }
  forget_end();
}

std::optional<File::End> File::end() const {
  const std::lock_guard lock(end_mutex_);
  if (!end_state_ || state() != end_state_) return std::nullopt;
  return end_;
}

void File::saw_end(const State& state, End end) {
  const std::lock_guard lock(end_mutex_);
  // If it has changed since, somebody else may have told already what comes after it.
  if (!state || this->state() != state) return;
  end_state_ = state;
  end_ = std::move(end);
}

void File::moved_end(const State& state, Position head) {
  const std::lock_guard lock(end_mutex_);
  const auto now = this->state();
  if (state && now == state && head > end_.head) blind_ = true;
  const bool ours_alone =
      state && now && state == end_state_ && now->commits() == state->commits() + 1;
  if (!ours_alone || blind_) return;
  end_state_ = now;
  end_.head = head;
}

void File::forget_end() {
  const std::lock_guard lock(end_mutex_);
  end_state_.reset();
}

Result<void> File::watch_changes() {
  WEIR_TRY_ASSIGN(watch, ChangeWatch::open({.path = options_.path,
                                            .busy_timeout = options_.busy_timeout,
                                            .vfs = options_.vfs}));
  watch_ = std::move(watch);
  return {};
}

File::Lease::~Lease() {
  if (connection_) file_->give_back(std::move(connection_));
}

void File::Lease::discard() {
  connection_.reset();
  file_->give_back(nullptr);
}

void File::give_back(std::unique_ptr<ReadConnection> connection) {
  {
    const std::lock_guard lock(lease_mutex_);
    if (connection) free_.push_back(std::move(connection));
    --leased_;
  }
  lease_freed_.notify_one();
}

Result<File::Lease> File::lease(const CallOptions& call) {
  Batching::flush();  // nobody who has an answer waits for the disk
  std::unique_lock lock(lease_mutex_);
  const auto available = [this] { return !free_.empty() || leased_ < options_.readers_max; };
  if (!call.deadline) {
    lease_freed_.wait(lock, available);
  } else if (!lease_freed_.wait_until(lock, *call.deadline, available)) {
    return deadline_passed();
  }
  ++leased_;
  if (!free_.empty()) {
    auto connection = std::move(free_.back());
    free_.pop_back();
    return Lease(*this, std::move(connection));
  }
  lock.unlock();
  auto opened = open_reader();
  if (!opened) {
    give_back(nullptr);
    return opened.error();
  }
  return Lease(*this, std::move(opened).value());
}

Result<std::shared_ptr<const RunSet>> load_runs(Session& session, std::int64_t generation,
                                                const RunSet& known) {
  auto set = std::make_shared<RunSet>();
  set->generation = generation;
  WEIR_TRY_ASSIGN(select, session.prepare("SELECT id, level, first_position, last_position, "
                                          "first_block, blocks FROM run ORDER BY first_position"));
  WEIR_TRY_ASSIGN(fences, session.prepare("SELECT fences FROM run WHERE id = ?"));
  Position reached;
  while (true) {
    WEIR_TRY_ASSIGN(row, select.step());
    if (!row) break;
    auto run = std::make_shared<Run>();
    run->id = select.integer(0);
    run->level = static_cast<int>(select.integer(1));
    run->first = Position(static_cast<std::uint64_t>(select.integer(2)));
    run->last = Position(static_cast<std::uint64_t>(select.integer(3)));
    run->first_block = select.integer(4);
    if (run->first != reached.next() || run->last < run->first) {
      return damaged(fmt::format("the index has no run from event {} on", reached.next().value));
    }
    reached = run->last;
    const auto same = std::find_if(known.runs.begin(), known.runs.end(),
                                   [&](const auto& r) { return r->id == run->id; });
    if (same != known.runs.end()) {
      set->runs.push_back(*same);
      continue;
    }
    fences.bind(1, run->id);
    WEIR_TRY_ASSIGN(there, fences.step());
    WEIR_TRY_ASSIGN(decoded, decode_fences(there ? fences.text(0) : std::string_view()));
    fences.reset();
    if (decoded.size() != static_cast<std::size_t>(select.integer(5))) {
      return damaged(fmt::format("run {} of the index has lost fences", run->id));
    }
    run->fences = std::move(decoded);
    set->runs.push_back(std::move(run));
  }
  return std::shared_ptr<const RunSet>(std::move(set));
}

Result<std::shared_ptr<const RunSet>> File::runs(ReadConnection& connection, const KeptOf& kept) {
  WEIR_TRY_ASSIGN(row, connection.generation.step());
  if (!row) return damaged("meta.index_generation is missing");
  const auto generation = connection.generation.integer(0);
  connection.generation.reset();
  static const auto none = std::make_shared<const RunSet>();
  auto known = none;
  {
    const std::lock_guard lock(runs_mutex_);
    if (kept.log() == kept_as_) known = runs_;
  }
  if (known->generation == generation) return known;
  WEIR_TRY_ASSIGN(loaded, load_runs(connection.session, generation, *known));
  const std::lock_guard lock(runs_mutex_);
  if (kept.log() == kept_as_ && loaded->generation > runs_->generation) {
    runs_ = loaded;
    tail_->indexed(loaded->reached());
  }
  return loaded;
}

Result<void> File::terms_of(ReadConnection& connection, Position after, Position until,
                            const TakeTerms& take) {
  std::vector<std::uint32_t> counts;
  std::vector<engine::Term> terms;
  auto first = after.next();
  const auto next = [&] { return Position(first.value + counts.size()); };
  const auto give = [&] {
    if (!counts.empty()) take(first, counts, terms);
    first = next();
    counts.clear();
    terms.clear();
  };
  auto& rows = connection.forwards;
  rows.bind(1, static_cast<std::int64_t>(after.value));
  rows.bind(2, static_cast<std::int64_t>(until.value));
  const auto read = [&]() -> Result<void> {
    while (true) {
      WEIR_TRY_ASSIGN(there, rows.step());
      if (!there) break;
      WEIR_TRY_ASSIGN(fields, connection.row.read(rows));
      if (fields->position != next()) break;
      const auto old_size = terms.size();
      engine::add_terms(*hasher_, fields->type, fields->tags,
                        is_json(fields->content_type) ? fields->data : std::string_view(), terms);
      counts.push_back(static_cast<std::uint32_t>(terms.size() - old_size));
      if (counts.size() == 4096) give();
    }
    if (next() <= until) return damaged(fmt::format("event {} is missing", next().value));
    return {};
  }();
  rows.reset();
  if (read) give();
  return read;
}

Result<bool> File::still_holds(ReadConnection& connection, const engine::Tail::Known& known,
                               Position head) {
  bool there = known.head <= head;
  if (there && known.mark) {
    WEIR_TRY_ASSIGN(mark, mark_at(connection.mark, known.mark->position));
    there = mark == known.mark;
  }
  if (there) return true;
  // In this order: whoever comes in between finds that it was rewound when it looks again.
  forget();
  tail_->rewind(Position(), known);
  return false;
}

Result<void> File::catch_up(ReadConnection& connection, const engine::Tail::Known& known,
                            Position head, Position reached) {
  const auto now = tail_->known();
  if (head.value <= now.head.value + behind_max) {
    if (now.mark || now.head == Position()) return {};
    // So that it is noticed should the log be put back to an older state from here on.
    WEIR_TRY_ASSIGN(mark, mark_at(connection.mark, now.head));
    tail_->append(known, now.head.next(), {}, {}, mark);
    return {};
  }
  const std::lock_guard lock(catch_up_mutex_);
  // What a run holds need not be in the tail as well.
  tail_->skip_to(known, begin_of_tail(reached, head));
  const auto from = tail_->known();
  if (from.rewinds != known.rewinds) return {};
  WEIR_TRY(terms_of(
      connection, from.head, head,
      [&](Position first, std::span<const std::uint32_t> counts,
          std::span<const engine::Term> terms) { tail_->append(known, first, counts, terms); }));
  WEIR_TRY_ASSIGN(last, mark_at(connection.mark, head));
  tail_->append(known, head.next(), {}, {}, last);
  return {};
}

}  // namespace weir::sqlite
