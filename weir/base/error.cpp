#include <weir/base/error.hpp>

#include <array>

#include <fmt/format.h>

namespace weir {

std::string_view name_of(Code code) {
  static constexpr std::array<std::string_view, 17> names = {"OK",
                                                             "CANCELLED",
                                                             "UNKNOWN",
                                                             "INVALID_ARGUMENT",
                                                             "DEADLINE_EXCEEDED",
                                                             "NOT_FOUND",
                                                             "ALREADY_EXISTS",
                                                             "PERMISSION_DENIED",
                                                             "RESOURCE_EXHAUSTED",
                                                             "FAILED_PRECONDITION",
                                                             "ABORTED",
                                                             "OUT_OF_RANGE",
                                                             "UNIMPLEMENTED",
                                                             "INTERNAL",
                                                             "UNAVAILABLE",
                                                             "DATA_LOSS",
                                                             "UNAUTHENTICATED"};
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : "UNKNOWN";
}

std::string_view name_of(Reason reason) {
  static constexpr std::array<std::string_view, 21> names = {"ERROR_REASON_UNSPECIFIED",
                                                             "INVALID_FIELD",
                                                             "CONDITION_FAILED",
                                                             "IDEMPOTENCY_KEY_REUSED",
                                                             "TRACKING_NOT_INCREASING",
                                                             "LOG_NOT_FOUND",
                                                             "LOG_EXISTS",
                                                             "SNAPSHOT_NOT_FOUND",
                                                             "OVERLOADED",
                                                             "ENGINE_UNAVAILABLE",
                                                             "STORE_DAMAGED",
                                                             "SCHEMA_TOO_NEW",
                                                             "SHUTTING_DOWN",
                                                             "DEADLINE_PASSED",
                                                             "CALLER_CANCELLED",
                                                             "INTERNAL_BUG",
                                                             "NOT_SUPPORTED",
                                                             "CIRCUIT_OPEN",
                                                             "TOKEN_NEEDED",
                                                             "RIGHT_MISSING",
                                                             "LOG_REWOUND"};
  const auto index = static_cast<std::size_t>(reason);
  return index < names.size() ? names[index] : names[0];
}

std::string to_string(const Error& error) {
  return fmt::format("{}: {}", name_of(error.code), error.message);
}

Error invalid(std::string message) {
  return {.code = Code::invalid_argument,
          .reason = Reason::invalid_field,
          .message = std::move(message)};
}

Error invalid_field(std::string_view field, std::string_view problem) {
  return {.code = Code::invalid_argument,
          .reason = Reason::invalid_field,
          .message = fmt::format("{}: {}", field, problem),
          .details = {{"field", std::string(field)}}};
}

Error past_limit(std::string_view field, std::uint64_t is, std::uint64_t limit,
                 std::string_view unit) {
  auto error = invalid_field(
      field, fmt::format("{}{}{}, the limit is {}", is, unit.empty() ? "" : " ", unit, limit));
  error.details.emplace("limit", std::to_string(limit));
  return error;
}

Error condition_failed(std::uint64_t position) {
  return {.code = Code::aborted,
          .reason = Reason::condition_failed,
          .message = fmt::format("append condition failed: event {} matches", position),
          .details = {{"position", std::to_string(position)}}};
}

Error unavailable(std::string_view what) {
  return {.code = Code::unavailable,
          .reason = Reason::engine_unavailable,
          .message = std::string(what)};
}

Error damaged(std::string_view what) {
  return {.code = Code::data_loss,
          .reason = Reason::store_damaged,
          .message = fmt::format("{}; run 'weir verify' on this store", what)};
}

Error event_missing(std::uint64_t position) {
  auto error = damaged(fmt::format("event {} is missing", position));
  error.details.emplace("missing", std::to_string(position));
  return error;
}

Error log_rewound(std::uint64_t head) {
  return {
      .code = Code::data_loss,
      .reason = Reason::log_rewound,
      .message = fmt::format(
          "the log was put back to an older state and ended at {} when that was noticed: some of "
          "what was read is not in it; go on from a position that is known to be right",
          head),
      .details = {{"head", std::to_string(head)}}};
}

Error internal_bug(std::string_view what) {
  return {.code = Code::internal, .reason = Reason::internal_bug, .message = std::string(what)};
}

Error cancelled() {
  return {
      .code = Code::cancelled, .reason = Reason::caller_cancelled, .message = "the caller gave up"};
}

Error deadline_passed() {
  return {.code = Code::deadline_exceeded,
          .reason = Reason::deadline_passed,
          .message = "the deadline passed before the work was done"};
}

Error shutting_down() {
  return {.code = Code::unavailable,
          .reason = Reason::shutting_down,
          .message = "the store is shutting down"};
}

Error overloaded(std::string_view what, std::chrono::milliseconds retry_after) {
  return {.code = Code::resource_exhausted,
          .reason = Reason::overloaded,
          .message = std::string(what),
          .retry_after = retry_after};
}

}  // namespace weir
