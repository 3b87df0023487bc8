#pragma once

#include <memory>

#include <weir/store/postgres/database.hpp>

namespace weir::postgres {

/// The writer of one log, on a connection of its own. begin() is one round trip and so is commit(),
/// but for a begin() that has much to catch up with: it fetches that before it locks the log.
/// A commit whose connection breaks is settled on a new one: taking the log's lock waits for the
/// old transaction to end, and weir.writer then tells whether it took effect.
class LogWriter final : public engine::Writer {
 public:
  LogWriter(std::shared_ptr<Database> database, const LogRow& log,
            const engine::TermHasher& hasher);
  ~LogWriter() override;

  Result<engine::Begun> begin(const engine::BeginRequest& request) override;
  Result<ReadStep> read_step(const ReadRequest& request) override;
  Result<void> commit(const engine::Group& group) override;
  void rollback() override;

 private:
  Result<void> connect(const Patience& patience);
  void disconnect();
  Result<void> connect_anew();
  Result<engine::Begun> catch_up_and_begin(const engine::BeginRequest& request);
  /// Without the missed events when they are more than `missed_max`.
  Result<engine::Begun> try_begin(const engine::BeginRequest& request, std::int64_t missed_max);
  Call missed_call(Position known, std::size_t newest, std::int64_t missed_max) const;
  Result<Batch> fetch(Position known, std::size_t newest);
  Result<void> settle(const engine::Group& group);
  Result<bool> took_effect(const Patience& patience);
  void add_terms(Params& params, const engine::Group& group) const;
  Params finish_params(const engine::Group& group) const;
  /// So long from now, and no longer than the present request allows.
  Patience patience(std::chrono::milliseconds time) const;

  std::shared_ptr<Database> database_;
  const std::int32_t log_id_;
  const engine::TermHasher hasher_;
  const Uuid id_;
  /// As begin() found them.
  Position head_;
  Timestamp recorded_at_;
  std::int64_t batch_ = 0;
  /// Between a begin() that succeeded and what ends the transaction.
  bool begun_ = false;
  /// No begin() has been tried yet.
  bool first_ = true;
  std::optional<Instant> latest_;
  std::unique_ptr<Session> session_;
  /// What the session is called in its announcements. Each has a name of its own: what one may
  /// still commit after it was given up is news.
  Uuid session_id_;
};

}  // namespace weir::postgres
