#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include <weir/sql/sqlite/session.hpp>

namespace weir::sqlite {

/// Tells whether a database in WAL mode has changed, by whatever process, without a lock, a
/// statement or a system call: by the header of the WAL-index in the shared memory beside the file,
/// which every commit changes once it is on disk (sqlite.org/walformat.html, section 2.1).
/// Not for what the change was: that is for a transaction to ask.
/// Threads: any. Keeps a connection of its own, so that the memory stays there.
class ChangeWatch {
 public:
  /// The header. Equal ones are of the same state of the database.
  struct State {
    std::array<std::uint32_t, 12> words{};

    bool operator==(const State&) const = default;
    /// The state after one commit more, whoever made it, counts one more, modulo 2^32.
    std::uint32_t commits() const { return words[2]; }
  };

  /// Null where the database is not in WAL mode, or its VFS has no shared memory.
  /// Errors: as Session::open.
  static Result<std::unique_ptr<ChangeWatch>> open(const SessionOptions& options);

  /// The state at this moment; nothing while somebody is writing it.
  std::optional<State> state() const;

 private:
  ChangeWatch(Session session, const void* header)
      : session_(std::move(session)), header_(header) {}

  const Session session_;
  const void* const header_;
};

}  // namespace weir::sqlite
