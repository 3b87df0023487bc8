#pragma once

#include <memory>
#include <string>

#include <weir/base/result.hpp>

namespace weir::bench {

/// PostgreSQL with nothing of ours on top: one statement a commit that inserts events and their
/// tags, from arrays, into a table and a B-tree.
/// Threads: one at a time.
class RawPostgres {
 public:
  static Result<std::unique_ptr<RawPostgres>> create(const std::string& uri);
  ~RawPostgres();
  RawPostgres(const RawPostgres&) = delete;
  RawPostgres& operator=(const RawPostgres&) = delete;

  /// One commit of so many events; on disk when it returns.
  Result<void> commit(std::size_t events);

 private:
  struct Parts;
  explicit RawPostgres(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::bench
