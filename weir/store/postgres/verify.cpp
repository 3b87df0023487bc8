#include <weir/store/postgres/verify.hpp>

#include <chrono>

#include <fmt/format.h>

#include <weir/store/postgres/database.hpp>
#include <weir/store/postgres/event_row.hpp>

namespace weir::postgres {
namespace {

/// Damages that are told one by one; the rest are only counted.
constexpr std::uint64_t told_max = 100;
constexpr std::int64_t step_events = 1000;
constexpr std::int64_t step_bytes = 8 << 20;
/// Nobody waits for this as for an append.
constexpr std::chrono::seconds connect_time_max{60};

const std::string select_events =
    "SELECT checksum, " + std::string(event_columns) + " FROM (SELECT checksum, " +
    std::string(event_columns) +
    ", sum(bytes) OVER (ORDER BY position) - bytes AS before FROM (SELECT * FROM weir.event"
    " WHERE log_id = $1 AND position > $2 ORDER BY position LIMIT $3) e) w WHERE before < $4"
    " ORDER BY position";
// In one statement, so that an append between the two does not look like damage.
constexpr std::string_view select_end =
    "SELECT head, coalesce((SELECT position FROM weir.event WHERE log_id = $1"
    " ORDER BY position DESC LIMIT 1), 0) FROM weir.log WHERE id = $1";

class Verifier {
 public:
  Verifier(Database& database, std::int32_t log_id, const OnDamage& on_damage)
      : database_(database), log_id_(log_id), on_damage_(on_damage) {}

  Result<void> run() {
    WEIR_TRY(end());
    while (true) {
      Call call{.text = select_events};
      call.params.add_int4(log_id_).add(static_cast<std::int64_t>(last_.value));
      call.params.add(step_events).add(step_bytes);
      WEIR_TRY_ASSIGN(rows, database_.ask(call, {}));
      if (rows.empty()) break;
      for (std::size_t row = 0; row < rows.size(); ++row) event(rows, row);
    }
    if (damages_ > told_max) on_damage_(fmt::format("and {} more", damages_ - told_max));
    return {};
  }

 private:
  void tell(const std::string& damage) {
    if (++damages_ <= told_max) on_damage_(damage);
  }

  Result<void> end() {
    Call call{.text = select_end};
    call.params.add_int4(log_id_);
    WEIR_TRY_ASSIGN(rows, database_.ask(call, {}));
    if (rows.empty()) {
      tell("the log's row is gone");
      return {};
    }
    const auto head = rows.int8(0, 0), last = rows.int8(0, 1);
    if (head != last) tell(fmt::format("the log's head is {}, its last event {}", head, last));
    return {};
  }

  void event(const Rows& rows, std::size_t row) {
    const auto position = position_of(rows.int8(row, 1));
    if (position != last_.next()) {
      const auto first = last_.next(), until = position.previous();
      tell(first == until ? fmt::format("event {} is missing", first.value)
                          : fmt::format("events {} to {} are missing", first.value, until.value));
    }
    last_ = position;
    if (const auto decoded = decoder_.decode(rows, row); !decoded) {
      const auto& message = decoded.error().message;
      return tell(message.substr(0, message.find("; run 'weir verify'")));
    }
    BatchBuilder builder;
    decoder_.add_to(builder);
    const auto batch = std::move(builder).build();
    const auto stored = static_cast<std::uint64_t>(rows.int8(row, 0));
    if (engine::checksum_of(*batch.begin()) == stored) return;
    tell(fmt::format("event {}: its contents do not match its checksum", position.value));
  }

  Database& database_;
  const std::int32_t log_id_;
  const OnDamage& on_damage_;
  EventDecoder decoder_{1};
  Position last_;
  std::uint64_t damages_ = 0;
};

}  // namespace

Result<void> verify_log(const std::string& uri, const std::string& log, const OnDamage& on_damage) {
  WEIR_TRY_ASSIGN(
      database,
      Database::open(uri, {.create = false, .connect_time_max = connect_time_max}, system_clock()));
  WEIR_TRY_ASSIGN(row, database->find(log, {}));
  return Verifier(*database, row.id, on_damage).run();
}

}  // namespace weir::postgres
