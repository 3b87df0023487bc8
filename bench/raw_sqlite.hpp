#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/store/event.hpp>

namespace weir::bench {

/// SQLite with nothing of ours on top: events in one table without an index, committed to disk in
/// groups of any size, with the settings that Weir uses too.
/// Threads: one at a time.
class RawSqlite {
 public:
  static Result<std::unique_ptr<RawSqlite>> create(const std::string& path);
  ~RawSqlite();
  RawSqlite(const RawSqlite&) = delete;
  RawSqlite& operator=(const RawSqlite&) = delete;

  /// One commit of so many of the events given at creation, in turn; on disk when it returns.
  Result<void> commit(std::size_t events);

 private:
  struct Parts;
  explicit RawSqlite(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::bench
