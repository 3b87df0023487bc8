#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::postgres {

/// Decides which statements of one connection are worth keeping prepared on the server: those used
/// a few times, and of these the most recently used. One that is prepared gives way only to one
/// that has been used twice since its own last use, so that a round of more statements than there
/// is room for does not have all of them prepared and dropped in turn.
/// Threads: one at a time.
class StatementCache {
 public:
  struct Options {
    /// Statements kept prepared at most; 0: none.
    std::size_t prepared_max = 10;
    /// It is prepared when it is used for the so-manieth time.
    std::size_t prepare_after = 2;
  };

  /// Names begin with `prefix`. Behind a pooler connections share servers, so it must be unlike
  /// that of any other connection of any process.
  StatementCache(Options options, std::string prefix)
      : options_(options), prefix_(std::move(prefix)) {}

  /// How a statement is to be sent.
  struct Way {
    /// To be dropped before, for room. Names.
    std::vector<std::string> drop;
    /// Under which it is prepared. Empty: it is sent unprepared.
    std::string name;
    /// It must be prepared first.
    bool prepare = false;
  };
  Way use(std::string_view text);

  // What the server has answered.
  void prepared(std::string_view name);
  void dropped(std::string_view name);
  /// What use() planned and the server has not confirmed by now did not happen.
  void end_run();

  /// The server keeps none any more.
  void forget();
  /// Prepares nothing from now on: the server does not know what was prepared on it, since a pooler
  /// stands between.
  void turn_off();

 private:
  enum class State : std::uint8_t { counted, preparing, prepared, dropping };
  struct Entry {
    State state = State::counted;
    std::string name = {};
    std::size_t uses = 0;
    std::uint64_t last_used = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  Entry& entry_for(std::string_view text);
  bool make_room(std::uint64_t used_before, std::vector<std::string>& drop);

  Options options_;
  const std::string prefix_;
  Entries entries_;
  std::uint64_t time_ = 0;   ///< counts uses
  std::uint64_t named_ = 0;  ///< names given so far
  bool unconfirmed_ = false;
};

}  // namespace weir::postgres
