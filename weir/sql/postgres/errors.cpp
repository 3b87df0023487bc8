#include <weir/sql/postgres/errors.hpp>

#include <fmt/format.h>

namespace weir::postgres {
namespace {

using namespace std::string_view_literals;

struct Meaning {
  std::string_view prefix;
  Code code;
  Reason reason;
};

// The first whose prefix fits. Whole states stand before their class.
constexpr Meaning meanings[] = {
    {"55P03", Code::deadline_exceeded, Reason::deadline_passed},   // lock_not_available
    {"57014", Code::deadline_exceeded, Reason::deadline_passed},   // query_canceled
    {"25P03", Code::unavailable, Reason::engine_unavailable},      // idle in transaction too long
    {"25006", Code::unavailable, Reason::engine_unavailable},      // read-only: a replica
    {"40", Code::unavailable, Reason::engine_unavailable},         // serialization, deadlock
    {"08", Code::unavailable, Reason::engine_unavailable},         // connection
    {"57", Code::unavailable, Reason::engine_unavailable},         // shutting down, starting up
    {"53", Code::unavailable, Reason::engine_unavailable},         // disk, memory, connections
    {"58", Code::unavailable, Reason::engine_unavailable},         // I/O
    {"28", Code::unauthenticated, Reason::engine_unavailable},     // password
    {"3D", Code::failed_precondition, Reason::engine_unavailable}, // no such database
    {"42501", Code::permission_denied, Reason::engine_unavailable},
    {"XX001", Code::data_loss, Reason::store_damaged},
    {"XX002", Code::data_loss, Reason::store_damaged},
};

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

Error error_of(std::string_view sqlstate, std::string_view what) {
  Error error = internal_bug("");
  if (sqlstate.empty()) error = unavailable("");
  for (const auto& meaning : meanings) {
    if (!sqlstate.empty() && sqlstate.starts_with(meaning.prefix)) {
      error.code = meaning.code;
      error.reason = meaning.reason;
      break;
    }
  }
  const auto line = first_line(what);
  error.message = fmt::format("PostgreSQL: {}", line.empty() ? "no answer"sv : line);
  if (!sqlstate.empty()) error.details.emplace(sqlstate_detail, sqlstate);
  return error;
}

bool has_sqlstate(const Error& error, std::string_view sqlstate) {
  const auto found = error.details.find(std::string(sqlstate_detail));
  return found != error.details.end() && found->second == sqlstate;
}

}  // namespace weir::postgres
