#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <weir/base/details.hpp>

namespace weir {

/// gRPC's status codes, by number. Chosen by what the caller should do:
/// unavailable - try the call again; aborted - read again and decide again;
/// failed_precondition - do not repeat until something is fixed;
/// resource_exhausted - wait `retry_after`.
enum class Code : std::uint8_t {
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

/// The name in upper case, as gRPC spells it: "INVALID_ARGUMENT".
std::string_view name_of(Code code);

/// Why something was refused or failed; the names, causes and remedies are in
/// proto/weir/v1/errors.proto, whose numbers these are.
enum class Reason : std::uint8_t {
  unspecified = 0,
  invalid_field = 1,
  condition_failed = 2,
  idempotency_key_reused = 3,
  tracking_not_increasing = 4,
  log_not_found = 5,
  log_exists = 6,
  snapshot_not_found = 7,
  overloaded = 8,
  engine_unavailable = 9,
  store_damaged = 10,
  schema_too_new = 11,
  shutting_down = 12,
  deadline_passed = 13,
  caller_cancelled = 14,
  internal_bug = 15,
  not_supported = 16,
  circuit_open = 17,
  token_needed = 18,
  right_missing = 19,
  log_rewound = 20,
};

/// The name as errors.proto spells it: "CONDITION_FAILED".
std::string_view name_of(Reason reason);

/// What went wrong, flat. A value: copy and move freely.
struct Error {
  Code code = Code::unknown;
  Reason reason = Reason::unspecified;
  /// A sentence for a person, naming the field and the limit where there is one.
  std::string message = {};
  /// For programs: "field", "limit", "position" and the like.
  Details details = {};
  /// How long to wait before trying again, when known.
  std::optional<std::chrono::milliseconds> retry_after = {};

  bool operator==(const Error&) const = default;
};

/// "INVALID_ARGUMENT: type: 1025 bytes, the limit is 1024".
std::string to_string(const Error& error);

/// The errors that many places make. `field` is the name as the caller wrote it: "events[3].type".
/// invalid() is for what has no such name, or says it in the message.
Error invalid(std::string message);
Error invalid_field(std::string_view field, std::string_view problem);
Error past_limit(std::string_view field, std::uint64_t is, std::uint64_t limit,
                 std::string_view unit);
Error condition_failed(std::uint64_t position);
Error unavailable(std::string_view what);
Error damaged(std::string_view what);
/// The same, for a position of a log whose event is not there; `missing` of the details has it.
Error event_missing(std::uint64_t position);
/// A log ends before what was read of it: at `head` it was put back to an older state.
Error log_rewound(std::uint64_t head);
Error internal_bug(std::string_view what);
Error cancelled();
Error deadline_passed();
Error shutting_down();
Error overloaded(std::string_view what, std::chrono::milliseconds retry_after);

}  // namespace weir
