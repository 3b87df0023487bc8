#include <tests/faults_postgres/shielded_store.hpp>

#include <random>

#include <fmt/format.h>

#include <weir/look.hpp>

namespace weir::faults_postgres {

using namespace std::chrono_literals;
using testing_support::Appenders;
using testing_support::Follower;
using testing_support::OnFailure;
using testing_support::PostgresCluster;

ShieldedStore::ShieldedStore(const std::string& uri, resilient::ShieldOptions options,
                             postgres::DatabaseOptions database) {
  options.listener = heard;
  shield = resilient::Shield::create(std::move(options)).value();
  engine::LogEngineOptions engine;
  engine.around = [shield = shield](std::unique_ptr<engine::Backend> backend) {
    return shield->around(std::move(backend));
  };
  auto store = postgres::Store::open(
      {.uri = uri, .database = std::move(database), .engine = std::move(engine)},
      std::make_shared<engine::Threads>());
  EXPECT_TRUE(store) << to_string(store.error());
  shield->look_with(look_at((*store)->database()));
  catalog = shield->around(std::shared_ptr<Catalog>(std::move(store).value()));
  log = catalog->open("default").value();
}

std::string ShieldedStore::in_words() const {
  std::string words;
  for (const auto& [pipeline, circuit] : shield->circuits()) {
    words += fmt::format("{} {}, {} of {} failed; ", pipeline, name_of(circuit.state),
                         circuit.counts.failures, circuit.counts.calls);
  }
  return words + heard->in_words().substr(0, 300);
}

bool ShieldedStore::reach(resilience::CircuitBreaker::State wanted,
                          std::chrono::milliseconds at_most) const {
  const auto until = system_clock().instant() + at_most;
  while (state(0) != wanted || state(1) != wanted) {
    if (system_clock().instant() > until) return false;
    pause(1ms);
  }
  return true;
}

resilient::ShieldOptions patient() {
  resilient::ShieldOptions options;
  options.read.timeout.after = 60s;
  options.read.retry = {
      .attempts_max = 1000, .delay = 100ms, .delay_max = 1s, .jitter = resilience::Jitter::equal};
  options.read.circuit_breaker.calls_min = 1'000'000;
  options.write = options.read;
  return options;
}

resilient::ShieldOptions hasty() {
  auto options = resilient::preset("production").value();
  options.read.retry.attempts_max = 2;
  options.read.retry.delay = 20ms;
  options.read.circuit_breaker.open_for = 500ms;
  options.read.circuit_breaker.window = 1s;  // what was well before is soon forgotten
  options.write = options.read;
  return options;
}

Readers::Readers(std::shared_ptr<EventStore> log, int clients, CallOptions call,
                 OnFailure on_failure)
    : log_(std::move(log)), call_(std::move(call)), on_failure_(on_failure) {
  for (int i = 0; i < clients; ++i) {
    threads_.emplace_back([this, i] { run(static_cast<std::uint32_t>(i)); });
  }
}

void Readers::join() {
  stopping_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void Readers::run(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto ask = [this](auto call) {
    return on_failure_ == OnFailure::ask_again ? testing_support::ask_again(call) : call();
  };
  while (!stopping_) {
    const auto head = ask([&] { return log_->head(call_); });
    if (!head) {
      ++errors_;
      pause(2ms);
      continue;
    }
    const Position after(head->value == 0 ? 0 : random() % head->value);
    const auto step =
        ask([&] { return log_->read_step({.after = after, .limit = 50, .call = call_}); });
    if (!step) {
      ++errors_;
      pause(2ms);
      continue;
    }
    ++reads_;
    auto expected = after.next();
    for (const auto& event : step->batch) {
      ASSERT_EQ(event.position(), expected) << "a reader sees a gap";
      expected = expected.next();
    }
  }
}

PostgresCluster& Faults::cluster() {
  // What is acknowledged is to survive the server's being killed too.
  static PostgresCluster cluster({.fsync = true, .settings = {"max_connections=40"}});
  return cluster;
}

Faults::~Faults() {
  // Whatever became of the test.
  cluster().thaw();
  if (cluster().stopped()) cluster().start();
}

std::unique_ptr<Appenders> Faults::append(const ShieldedStore& store, int clients,
                                          OnFailure on_failure) {
  return std::make_unique<Appenders>(
      std::vector<std::shared_ptr<EventStore>>(static_cast<std::size_t>(clients), store.log),
      ledger, 7, on_failure);
}

void Faults::show_no_error(const ShieldedStore& store, int readers,
                           const std::function<void()>& trouble) {
  Follower follower{{}};
  follower.follow(store.log);
  const auto appenders = append(store);
  Readers reading(store.log, readers);
  trouble();
  appenders->join();
  reading.join();
  EXPECT_EQ(ledger.failures(), 0u);
  EXPECT_EQ(reading.errors(), 0u);
  compare(follower);
}

void Faults::compare(Follower& follower) {
  const ShieldedStore truth(uri, patient());
  ASSERT_NO_FATAL_FAILURE(ledger.check(*truth.log));
  const auto head = ledger.markers().size();
  ASSERT_TRUE(follower.reach(Position(head)))
      << "the subscriber stopped at " << follower.cursor().value << " of " << head;
  std::vector<std::uint64_t> all(head);
  for (std::size_t i = 0; i < head; ++i) all[i] = i + 1;
  EXPECT_EQ(follower.seen(), all);
}

void pause(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
}

}  // namespace weir::faults_postgres
