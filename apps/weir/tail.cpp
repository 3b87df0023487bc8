#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include <apps/weir/event_text.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

using std::chrono::milliseconds;

struct Options {
  StoreOptions store;
  QueryOptions query;
  std::optional<std::uint64_t> after, last, limit;
  bool json = false;
};

/// Waits, but not past a stop. False when stopped.
bool wait(const std::stop_token& stop, milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any nothing;
  std::unique_lock lock(mutex);
  nothing.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

class Tail {
 public:
  Tail(const Options& options, Program& program)
      : options_(options),
        program_(program),
        style_(style_for(program.out, options.json)),
        out_(program.out) {}

  Result<Exit> run() {
    WEIR_TRY_ASSIGN(query, options_.query.query());
    query_ = std::move(query);
    WEIR_TRY_ASSIGN(store, options_.store.open(program_));
    // From here on there is something to end well.
    stop_ = program_.interrupted();
    if (options_.after) {
      cursor_ = Position(*options_.after);
    } else {
      WEIR_TRY_ASSIGN(head, store->head(options_.store.call(program_)));
      cursor_ = head;
    }
    if (options_.last) {
      const auto printed = print_last(*store);
      if (!printed && printed.error().code == Code::cancelled) return out_.finish();
      WEIR_TRY(printed);
    }
    auto pause = pause_min;
    while (!done_) {
      const auto before = cursor_;
      const auto followed = follow(*store);
      if (followed || followed.error().code == Code::cancelled) break;
      if (followed.error().code != Code::unavailable) return followed.error();
      // Nothing is lost by starting again at the cursor.
      if (cursor_ > before) pause = pause_min;
      tell(program_, fmt::format("{}; trying again\n", followed.error().message));
      if (!wait(stop_, pause)) break;
      pause = std::min(pause * 2, pause_max);
    }
    return out_.finish();
  }

 private:
  static constexpr milliseconds pause_min{100};
  static constexpr milliseconds pause_max{5000};

  Result<void> print_last(EventStore& store) {
    auto stream = store.read({.query = query_,
                              .until = cursor_,
                              .direction = Direction::backwards,
                              .limit = options_.last,
                              .call = {.stop = stop_}});
    std::vector<std::string> lines;
    while (true) {
      WEIR_TRY_ASSIGN(step, stream.next());
      if (!step) break;
      for (const auto& event : step->batch) {
        append_event(lines.emplace_back(), event, style_);
      }
    }
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (!out_.write(*line)) done_ = true;
    }
    if (!out_.flush()) done_ = true;
    return {};
  }

  /// Prints until it is enough (success) or the subscription ends (its error).
  Result<void> follow(EventStore& store) {
    WEIR_TRY_ASSIGN(subscription,
                    store.subscribe({.query = query_, .after = cursor_, .call = {.stop = stop_}}));
    while (true) {
      WEIR_TRY_ASSIGN(step, subscription->next());
      for (const auto& event : step.batch) {
        if (printed_ == options_.limit) break;
        std::string line;
        append_event(line, event, style_);
        if (!out_.write(line)) done_ = true;
        ++printed_;
      }
      cursor_ = step.cursor;
      if (!out_.flush() || printed_ == options_.limit) done_ = true;
      if (done_) return {};
    }
  }

  const Options& options_;
  Program& program_;
  std::stop_token stop_;
  const EventStyle style_;
  Output out_;
  Query query_;
  Position cursor_;
  std::uint64_t printed_ = 0;
  bool done_ = false;
};

Result<Exit> tail(const Options& options, Program& program) {
  constexpr std::uint64_t last_max = 10'000;
  if (options.last && *options.last > last_max) {
    return past_limit("-n", *options.last, last_max, "events; for more use weir read");
  }
  return Tail(options, program).run();
}

}  // namespace

Run define_tail(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  options->query.add_to(flags);
  const auto after =
      flags.add("--after", options->after, "Start past this position; default at the head");
  flags
      .add("-n,--last", options->last,
           "Begin with the last so many that match, at most "
           "10000")
      .excludes(after);
  flags.add("--limit", options->limit, "End after so many new events");
  flags.add("--json", options->json, "Print NDJSON, as weir export does");
  options->store.add_to(flags);
  flags.footer(
      "Ends on Ctrl-C. When the server goes away it is tried again until it answers, and\n"
      "printing goes on where it stopped: no event is left out or printed twice.");
  return [options, &program] { return tail(*options, program); };
}

}  // namespace weir::cli
