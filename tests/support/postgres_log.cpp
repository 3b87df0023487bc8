#include <tests/support/postgres_log.hpp>

namespace weir::testing_support {

OpenLog OpenLog::create(const std::string& uri, const LogOptions& options) {
  auto database = postgres::Database::open(uri, {}, system_clock()).value();
  WEIR_ASSERT(database->create("default", options, {}).ok());
  return open(uri);
}

OpenLog OpenLog::open(const std::string& uri, postgres::DatabaseOptions options) {
  OpenLog log;
  log.database = postgres::Database::open(uri, std::move(options), system_clock()).value();
  log.backend = log.database->open_log("default", {}).value().backend;
  log.writer = log.backend->open_writer().value();
  return log;
}

void OpenLog::append(const std::vector<Event>& events, const Beside& beside) {
  const auto appended = try_append(events, beside);
  WEIR_ASSERT(appended.ok());
}

Result<void> OpenLog::try_append(const std::vector<Event>& events, const Beside& beside) {
  WEIR_TRY_ASSIGN(begun, writer->begin({.known = position_max}));
  recorded_at = std::max(begun.recorded_at, system_clock().now());
  std::vector<engine::NewEvent> added;
  auto position = begun.head;
  for (const auto& event : events) {
    position = position.next();
    const auto occurred_at = event.occurred_at.value_or(recorded_at);
    added.push_back(
        {.event = &event,
         .position = position,
         .occurred_at = occurred_at,
         .tracking = beside.tracking,
         .checksum = engine::checksum_of(event, position, occurred_at, beside.tracking)});
  }
  std::vector<Tracking> sources;
  if (beside.tracking != nullptr) sources.push_back(*beside.tracking);
  return writer->commit(
      {.events = added,
       .keys = beside.keys,
       .sources = sources,
       .recorded_at = recorded_at,
       .keys_expire_before = Timestamp(std::chrono::microseconds(beside.keys_expire_before))});
}

std::vector<RecordedEvent> OpenLog::read_all(ReadRequest request) {
  std::vector<RecordedEvent> events;
  while (true) {
    const auto step = backend->read_step(request).value();
    if (!request.until || *request.until > step.head) request.until = step.head;
    for (const auto& event : step.batch) events.push_back(event.copy());
    if (request.limit) *request.limit -= step.batch.size();
    if (step.end) return events;
    if (request.direction == Direction::forwards) {
      WEIR_ASSERT(step.cursor > request.after);
      request.after = step.cursor;
    } else {
      WEIR_ASSERT(step.cursor <= *request.until);
      request.until = step.cursor.previous();
    }
  }
}

std::vector<std::uint64_t> positions(const Batch& batch) {
  std::vector<std::uint64_t> list;
  for (const auto& event : batch) list.push_back(event.position().value);
  return list;
}

}  // namespace weir::testing_support
