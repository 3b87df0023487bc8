#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <weir/store/postgres/database.hpp>

namespace weir::testing_support {

/// What an append writes beside its events.
struct Beside {
  const Tracking* tracking = nullptr;
  std::vector<engine::KeyRecord> keys = {};
  std::int64_t keys_expire_before = 0;
};

/// A log and its writer, without the rules that engine::Log adds. For tests: what goes wrong ends
/// the program.
struct OpenLog {
  /// Makes the log "default" and opens it.
  static OpenLog create(const std::string& uri, const LogOptions& options = {});
  static OpenLog open(const std::string& uri, postgres::DatabaseOptions options = {});

  /// Begins and commits, with positions from the head on.
  void append(const std::vector<Event>& events, const Beside& beside = {});
  Result<void> try_append(const std::vector<Event>& events, const Beside& beside = {});

  /// Reads step by step to the end.
  std::vector<RecordedEvent> read_all(ReadRequest request);
  template <std::size_t count>
  std::array<RecordedEvent, count> read(ReadRequest request) {
    auto events = read_all(std::move(request));
    WEIR_ASSERT(events.size() == count);
    std::array<RecordedEvent, count> out;
    std::move(events.begin(), events.end(), out.begin());
    return out;
  }

  std::shared_ptr<postgres::Database> database;
  std::unique_ptr<engine::Backend> backend;
  std::unique_ptr<engine::Writer> writer;
  /// Of the last append.
  Timestamp recorded_at;
};

std::vector<std::uint64_t> positions(const Batch& batch);

}  // namespace weir::testing_support
