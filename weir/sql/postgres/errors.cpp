#include <weir/sql/postgres/errors.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>

#include <fmt/format.h>

namespace weir::postgres {
namespace {

using namespace std::string_view_literals;

/// Those of is_transient(), sorted.
constexpr std::string_view transient_states[] = {
    "08000", "08001", "08003", "08004", "08006",  // the connection
    "40001", "40P01",                             // serialization, deadlock
    "53000", "53100", "53200", "53300", "53400",  // disk, memory, connections, settings
    "55P03",                                      // lock_not_available
    "57P01", "57P02", "57P03", "57P05",           // shutting down, crashed, starting up
    "58000", "58030",                             // the system, I/O
};

struct Meaning {
  std::string_view prefix;
  Code code;
  Reason reason;
};

// Of states that are not transient. The first whose prefix fits; whole states stand before their
// class. What an administrator must mend is to callers as if the database were away: it is not
// theirs that they lack a password or a right, and it passes without them.
constexpr Meaning meanings[] = {
    {"57014", Code::deadline_exceeded, Reason::deadline_passed},  // query_canceled
    {"57P04", Code::unavailable, Reason::engine_unavailable},     // the database is dropped
    {"25006", Code::unavailable, Reason::engine_unavailable},     // read-only: a replica
    {"25P03", Code::unavailable, Reason::engine_unavailable},     // idle in transaction too long
    {"26000", Code::unavailable, Reason::engine_unavailable},     // prepared on another connection
    {"42P05", Code::unavailable, Reason::engine_unavailable},     // the same
    {"40003", Code::unavailable, Reason::engine_unavailable},     // completion unknown
    {"08", Code::unavailable, Reason::engine_unavailable},        // others of connections; poolers
    {"28", Code::unavailable, Reason::engine_unavailable},        // password
    {"3D", Code::unavailable, Reason::engine_unavailable},        // no such database
    {"42501", Code::unavailable, Reason::engine_unavailable},     // no right to a table
    {"3F", Code::data_loss, Reason::store_damaged},               // the schema is gone
    {"42P01", Code::data_loss, Reason::store_damaged},            // a table is
    {"42703", Code::data_loss, Reason::store_damaged},            // a column is
    {"XX001", Code::data_loss, Reason::store_damaged},
    {"XX002", Code::data_loss, Reason::store_damaged},
};

struct Wait {
  std::string_view sqlstate;
  std::chrono::milliseconds time;
};

// What takes longer than a caller's own first delay to pass.
constexpr Wait waits[] = {
    {"53300", std::chrono::milliseconds(1'000)},  // others must close connections first
    {"57P03", std::chrono::milliseconds(500)},    // it recovers, or ends
};

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

bool is_transient(std::string_view sqlstate) {
  return std::binary_search(std::begin(transient_states), std::end(transient_states), sqlstate);
}

bool is_refusal(const Error& error) {
  const auto state = sqlstate_of(error);
  return state.starts_with("28") || state.starts_with("3D") || state == "42501";
}

Error error_of(std::string_view sqlstate, std::string_view what) {
  Error error = internal_bug("");
  if (sqlstate.empty() || is_transient(sqlstate)) {
    error = unavailable("");
  } else {
    for (const auto& meaning : meanings) {
      if (!sqlstate.starts_with(meaning.prefix)) continue;
      error.code = meaning.code;
      error.reason = meaning.reason;
      break;
    }
  }
  for (const auto& wait : waits) {
    if (sqlstate == wait.sqlstate) error.retry_after = wait.time;
  }
  const auto line = first_line(what);
  error.message = fmt::format("PostgreSQL: {}", line.empty() ? "no answer"sv : line);
  if (!sqlstate.empty()) error.details.emplace(sqlstate_detail, sqlstate);
  return error;
}

bool has_sqlstate(const Error& error, std::string_view sqlstate) {
  return !sqlstate.empty() && sqlstate_of(error) == sqlstate;
}

std::string_view sqlstate_of(const Error& error) {
  const auto found = error.details.find(std::string(sqlstate_detail));
  return found == error.details.end() ? std::string_view() : std::string_view(found->second);
}

bool server_is_leaving(std::string_view sqlstate) {
  return sqlstate == "25006" || sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03";
}

}  // namespace weir::postgres
