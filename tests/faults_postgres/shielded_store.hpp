#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <tests/support/load.hpp>
#include <tests/support/postgres_cluster.hpp>
#include <weir/resilience/testing/recorder.hpp>
#include <weir/store/postgres/store.hpp>
#include <weir/store/resilient/shield.hpp>

namespace weir::faults_postgres {

/// A log on a PostgreSQL behind a shield, as weir::open_catalog() puts them together.
struct ShieldedStore {
  ShieldedStore(const std::string& uri, resilient::ShieldOptions options,
                postgres::DatabaseOptions database = {});

  resilience::CircuitBreaker::State state(std::size_t circuit) const {
    return shield->circuits().at(circuit).circuit.state;
  }
  /// Waits until both circuits are in the state, or for so long.
  bool reach(resilience::CircuitBreaker::State wanted, std::chrono::milliseconds at_most) const;

  /// How the circuits stand and what was heard first, for messages.
  std::string in_words() const;

  std::shared_ptr<resilience::Recorder> heard = std::make_shared<resilience::Recorder>();
  std::shared_ptr<resilient::Shield> shield;
  std::shared_ptr<Catalog> catalog;
  std::shared_ptr<EventStore> log;
};

/// Tries again for as long as a test lasts, at least once a second, and never opens its circuits.
resilient::ShieldOptions patient();
/// Gives up after two attempts; its circuits look back one second, and open for half a one.
resilient::ShieldOptions hasty();

/// Clients that read, each a part of the log or its head, again and again.
class Readers {
 public:
  using OnFailure = testing_support::OnFailure;
  Readers(std::shared_ptr<EventStore> log, int clients, CallOptions call = {},
          OnFailure on_failure = OnFailure::go_on);
  ~Readers() { join(); }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  void join();
  std::size_t reads() const { return reads_; }
  std::size_t errors() const { return errors_; }

 private:
  void run(std::uint32_t seed);

  const std::shared_ptr<EventStore> log_;
  const CallOptions call_;
  const OnFailure on_failure_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> reads_ = 0;
  std::atomic<std::size_t> errors_ = 0;
  std::vector<std::thread> threads_;
};

/// A server of the test's own, and what every test does at its end: the log is read anew and
/// compared with what callers and subscribers were told.
class Faults : public ::testing::Test {
 protected:
  /// One for all tests; each leaves it running.
  static testing_support::PostgresCluster& cluster();
  ~Faults() override;

  /// Of four clients that append. They are told of failures, and go on.
  std::unique_ptr<testing_support::Appenders> append(
      const ShieldedStore& store, int clients = 4,
      testing_support::OnFailure on_failure = testing_support::OnFailure::go_on);
  /// While `trouble` goes on four clients append, so many read and one follows; none of them is
  /// told of an error, and all is compared at the end.
  void show_no_error(const ShieldedStore& store, int readers, const std::function<void()>& trouble);
  /// By a store of its own, straight to the server.
  void compare(testing_support::Follower& follower);

  const std::string uri = cluster().new_database();
  testing_support::Ledger ledger;
};

void pause(std::chrono::milliseconds time);

}  // namespace weir::faults_postgres
