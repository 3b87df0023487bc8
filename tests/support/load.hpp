#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weir/store/event_store.hpp>

namespace weir::testing_support {

/// Rounds of a fault test: the environment variable WEIR_TEST_ROUNDS, or 10.
int test_rounds();

/// What a client knows of an append of its own. Its events carry the markers "NAME.0", "NAME.1"...
struct Attempt {
  enum class Outcome { acknowledged, refused, unknown };
  std::string name;
  std::vector<Event> events;
  std::string key;
  Outcome outcome = Outcome::unknown;
  Appended answer;
  /// Why it failed, unless it was recorded or a condition kept it from being.
  std::optional<Error> failure = std::nullopt;
};

/// What was appended and what became of it, and the log's events as they were last read.
/// Threads: any.
class Ledger {
 public:
  void add(Attempt attempt);
  /// Takes out the attempts with a key whose outcome is not known, to send them again.
  std::vector<Attempt> take_unknown_with_key();
  std::size_t count(Attempt::Outcome outcome) const;
  std::size_t events_acknowledged() const;
  /// Attempts that failed, other than by their conditions.
  std::size_t failures() const;
  /// Their errors, for messages.
  std::string failures_in_words() const;

  /// Reads what is new in the log and compares: positions gapless, every acknowledged append there
  /// once at the positions it was told, refused ones absent, unknown ones whole or absent.
  void check(EventStore& log);

  /// Markers by position: index 0 is position 1.
  const std::vector<std::string>& markers() const { return markers_; }
  /// Positions of the events with the tag "hot:0".
  const std::vector<std::uint64_t>& hot() const { return hot_; }

 private:
  void check(const Attempt& attempt, const std::vector<std::uint64_t>& found);

  mutable std::mutex mutex_;
  std::vector<Attempt> attempts_;
  std::size_t checked_ = 0;
  std::vector<Attempt> open_;  ///< unknown ones, which may be settled by sending them again
  std::vector<std::string> markers_;
  std::vector<std::uint64_t> hot_;
  std::map<std::string, std::vector<std::uint64_t>> positions_;
};

/// What to do when a store answers with `unavailable`: stop; do something else; ask again, after as
/// long as the answer says (50 ms when it doesn't), for up to 30 s.
enum class OnFailure { stop, go_on, ask_again };

/// Asks as ask_again says. A call whose outcome may be unknown must be safe to repeat.
template <class Ask>
auto ask_again(Ask ask) -> decltype(ask()) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (true) {
    auto answer = ask();
    if (answer || answer.error().code != Code::unavailable) return answer;
    const auto wait = answer.error().retry_after.value_or(std::chrono::milliseconds(50));
    if (std::chrono::steady_clock::now() + wait > until) return answer;
    std::this_thread::sleep_for(wait);
  }
}

/// Clients that append by a store of their own: one or several events, with and without conditions
/// and keys.
class Appenders {
 public:
  Appenders(std::vector<std::shared_ptr<EventStore>> logs, Ledger& ledger, std::uint32_t seed,
            OnFailure on_failure = OnFailure::stop);
  ~Appenders();
  Appenders(const Appenders&) = delete;
  Appenders& operator=(const Appenders&) = delete;

  void stop() { stopping_ = true; }
  void join();

 private:
  void run(EventStore& log, std::uint32_t client);
  Attempt next(std::uint32_t client, std::uint32_t number, std::uint32_t chance) const;

  Ledger& ledger_;
  const std::uint32_t seed_;
  const OnFailure on_failure_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::shared_ptr<EventStore>> logs_;
  std::vector<std::thread> threads_;
};

/// Follows a log with a thread of its own, and goes on from its cursor with each new store.
class Follower {
 public:
  explicit Follower(Query query) : query_(std::move(query)) {}
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// Until reach() or join(), or the store fails.
  void follow(std::shared_ptr<EventStore> log, OnFailure on_failure = OnFailure::stop);
  /// Waits for the thread; all that is up to `position` has been seen then if it returns true.
  bool reach(Position position);
  void join();

  /// Positions in the order in which they came. Not while following.
  const std::vector<std::uint64_t>& seen() const { return seen_; }
  Position cursor() const { return Position(cursor_.load()); }

 private:
  Query query_;
  std::vector<std::uint64_t> seen_;
  std::atomic<std::uint64_t> cursor_ = 0;
  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace weir::testing_support
