#include <apps/weir/importer.hpp>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <apps/weir/program.hpp>

namespace weir::cli {
namespace {

/// Which ids a file has, and which of them are in the log.
class Ids {
 public:
  void add(const Uuid& id) { ids_.push_back(id); }
  std::size_t bytes() const { return ids_.size() * 17; }

  void close() {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    there_.assign(ids_.size(), false);
  }

  /// Notes that an id is in the log; ids that the file has not are passed over.
  void note(const Uuid& id) {
    if (const auto at = find(id); at < ids_.size()) there_[at] = true;
  }
  bool is_there(const Uuid& id) const {
    const auto at = find(id);
    return at < ids_.size() && there_[at];
  }

 private:
  std::size_t find(const Uuid& id) const {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (at == ids_.end() || *at != id) return ids_.size();
    return static_cast<std::size_t>(at - ids_.begin());
  }

  std::vector<Uuid> ids_;
  std::vector<bool> there_;
};

/// An event on its way to the log.
struct Pending {
  Uuid id;
  Event event;
  std::optional<Tracking> tracking;
};

class Import {
 public:
  Import(io::EventSource& source, EventStore& store, const ImportOptions& options)
      : source_(source), store_(store), options_(options) {}

  Result<Imported> run() {
    WEIR_TRY(read_ids());
    if (options_.strict && result_.skipped > 0) {
      return invalid_field("--strict", "nothing was imported, because of what cannot be read");
    }
    if (events_ == 0) return result_;
    ids_.close();
    WEIR_TRY(read_log(nullptr));
    content_ids_.restart();
    WEIR_TRY(source_.rewind());
    WEIR_TRY(append_all());
    return result_;
  }

 private:
  using Batch = std::vector<Pending>;

  Result<void> read_ids() {
    const auto on_problem = [&](std::uint64_t line, const std::string& problem) {
      if (options_.strict && result_.skipped > 0) return;
      ++result_.skipped;
      options_.on_problem(line, problem);
    };
    std::set<std::string, std::less<>> types;
    std::size_t without_id = 0;
    while (!(options_.strict && result_.skipped > 0)) {
      WEIR_TRY_ASSIGN(next, source_.next(on_problem));
      if (!next) break;
      if (types.size() <= types_max) types.insert(next->read.event.type);
      if (!next->read.event.id) ++without_id;
      ids_.add(identify(next->read));
      ++events_;
      if (ids_.bytes() + without_id * 64 > options_.memory_max) {
        return invalid_field("--memory-max", fmt::format("{} bytes do not suffice for the ids of "
                                                         "more than {} events",
                                                         options_.memory_max, events_ - 1));
      }
    }
    // What the file's events could collide with has one of its types.
    if (types.size() <= types_max && !types.contains("")) {
      touched_.items.push_back({.types = {types.begin(), types.end()}});
    }
    return {};
  }

  Uuid identify(const io::LineEvent& line) {
    return line.event.id ? *line.event.id : content_ids_.next(line.event);
  }

  /// Notes which ids are in the log past what has been read of it, also in those given.
  Result<void> read_log(Ids* also) {
    auto stream = store_.read({.query = touched_, .after = known_, .limits = options_.limits});
    while (true) {
      WEIR_TRY_ASSIGN(step, stream.next());
      if (!step) return {};
      known_ = std::max(known_, step->head);
      for (const auto& event : step->batch) {
        const auto given = event.id();
        const auto id = given ? *given : log_ids_.next(to_event(event));
        ids_.note(id);
        if (also != nullptr) also->note(id);
      }
    }
  }

  /// As the file would have it, so that their contents compare equal.
  static Event to_event(const EventView& view) {
    auto copy = view.copy();
    return {.type = std::move(copy.type),
            .tags = std::move(copy.tags),
            .data = std::move(copy.data),
            .content_type = std::move(copy.content_type),
            .metadata = std::move(copy.metadata),
            .occurred_at = copy.occurred_at};
  }

  Result<void> append_all() {
    Batch batch;
    std::size_t bytes = 0;
    bool with_id = true;
    while (true) {
      WEIR_TRY_ASSIGN(next, source_.next([](std::uint64_t, const std::string&) {}));
      if (!next) break;
      auto& line = next->read;
      const auto id = identify(line);
      if (ids_.is_there(id)) {
        ++result_.already_there;
        continue;
      }
      const bool gets_id = line.event.id || !(line.without_id && options_.keep_without_id);
      const auto size = size_of(line.event);
      // An append has one tracking and is with ids or without.
      if (!batch.empty() &&
          (batch.size() == options_.batch_events_max || bytes + size > options_.batch_bytes_max ||
           batch.back().tracking != line.tracking || with_id != gets_id)) {
        WEIR_TRY(append(std::move(batch), with_id));
        batch.clear();
        bytes = 0;
        if (ids_.is_there(id)) {  // somebody else has appended it meanwhile
          ++result_.already_there;
          continue;
        }
      }
      ids_.note(id);  // once is enough, if the file has it again
      with_id = gets_id;
      bytes += size;
      batch.push_back({id, std::move(line.event), std::move(line.tracking)});
    }
    if (!batch.empty()) WEIR_TRY(append(std::move(batch), with_id));
    tell_progress();
    return {};
  }

  void tell_progress() { options_.on_progress(result_.imported + result_.already_there, events_); }

  Result<void> append(Batch batch, bool with_id) {
    tell_progress();
    if (options_.stop.stop_requested()) return interrupted();
    if (options_.dry_run) {
      result_.imported += batch.size();
      return {};
    }
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
      auto appended = store_.append(request_of(batch, with_id));
      if (appended) {
        result_.imported += batch.size();
        // No event of these types lies between what was known and this append.
        known_ = std::max(known_, appended->last);
        return {};
      }
      if (appended.error().code != Code::aborted) return appended.error();
      WEIR_TRY(drop_what_is_there_now(batch));
      if (batch.empty()) return {};
    }
    return unavailable("other writers append events of the same types too fast");
  }

  AppendRequest request_of(const Batch& batch, bool with_id) const {
    AppendRequest request{.condition = Condition{.fail_if_events_match = touched_, .after = known_},
                          .tracking = batch.front().tracking,
                          .limits = options_.limits,
                          .make_ids = with_id};
    std::string content;
    for (const auto& pending : batch) {
      request.events.push_back(pending.event);
      if (with_id) request.events.back().id = pending.id;
      content += to_string(pending.id) + to_string(make_uuid_of(io::content_of(pending.event)));
    }
    request.idempotency_key = "import-" + to_string(make_uuid_of(content));
    return request;
  }

  /// Somebody else appended events of the file's types: perhaps these.
  Result<void> drop_what_is_there_now(Batch& batch) {
    Ids ids;
    for (const auto& pending : batch) ids.add(pending.id);
    ids.close();
    WEIR_TRY(read_log(&ids));
    const auto before = batch.size();
    std::erase_if(batch, [&](const Pending& pending) { return ids.is_there(pending.id); });
    result_.already_there += before - batch.size();
    return {};
  }

  static constexpr std::size_t types_max = 256;
  static constexpr int attempts_max = 1000;

  io::EventSource& source_;
  EventStore& store_;
  const ImportOptions& options_;
  io::ContentIds content_ids_;  ///< of the file
  io::ContentIds log_ids_;      ///< of those events in the log that have none
  Ids ids_;
  Query touched_;
  Position known_;
  std::uint64_t events_ = 0;
  Imported result_;
};

}  // namespace

Result<Imported> import_events(io::EventSource& source, EventStore& store,
                               const ImportOptions& options) {
  return Import(source, store, options).run();
}

}  // namespace weir::cli
