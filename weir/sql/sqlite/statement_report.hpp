#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/base/time.hpp>
#include <weir/sql/report/statement.hpp>

struct sqlite3;

namespace weir::sqlite {

/// Reports the statements of a session as spans of what its thread is doing, when that is being
/// traced. A statement that runs several times in a transaction is one span, from the beginning of
/// its first run to the end of its last, so that a transaction makes no more spans than it has
/// statements; they are handed over when it ends.
/// Threads: one at a time. The tracer must outlive it.
class StatementReports {
 public:
  /// Different statements of a transaction that are told of; further ones are not.
  static constexpr std::size_t statements_max = 64;

  StatementReports(sql::StatementReporting reporting, std::string database, sqlite3* connection)
      : reporting_(reporting),
        target_{.system = "sqlite", .database = std::move(database)},
        connection_(connection) {}
  ~StatementReports() { hand_over(); }
  StatementReports(const StatementReports&) = delete;
  StatementReports& operator=(const StatementReports&) = delete;

  /// One run of a statement. Ends when it is told how, or when it goes. By default nobody's.
  class Run {
   public:
    Run() = default;
    Run(Run&& other) noexcept { *this = std::move(other); }
    Run& operator=(Run&& other) noexcept {
      end();
      reports_ = std::exchange(other.reports_, nullptr);
      index_ = other.index_;
      return *this;
    }
    ~Run() { end(); }

    /// `error`: null when it went well, else with SQLite's `code`.
    void end(const Error* error = nullptr, int code = 0) {
      if (reports_ != nullptr) std::exchange(reports_, nullptr)->ended(index_, error, code);
    }

   private:
    friend class StatementReports;
    StatementReports* reports_ = nullptr;
    std::size_t index_ = 0;
  };

  /// Whether the thread's work is being traced: if not, nothing is done and measured.
  static bool wanted() { return telemetry::current_context().span.sampled; }
  Run begin(std::string_view text);

 private:
  /// The runs of one statement.
  struct Runs {
    std::string text;
    Instant began{};
    Instant ended{};
    std::int64_t count = 0;
    std::optional<Error> error = std::nullopt;
    int code = 0;
  };

  void ended(std::size_t index, const Error* error, int code);
  void hand_over();

  const sql::StatementReporting reporting_;
  const sql::StatementTarget target_;
  sqlite3* const connection_;
  telemetry::Context of_;  // whose work it is
  std::vector<Runs> statements_;
  std::size_t running_ = 0;
};

}  // namespace weir::sqlite
