#include <tests/support/load.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

namespace weir::testing_support {
namespace {

using namespace std::chrono_literals;

std::string marker_of(std::string_view json) {
  const auto from = json.find("\"m\":\"") + 5;
  return std::string(json.substr(from, json.find('"', from) - from));
}

}  // namespace

int test_rounds() {
  const auto* text = std::getenv("WEIR_TEST_ROUNDS");
  return text == nullptr || *text == '\0' ? 10 : std::atoi(text);
}

void Ledger::add(Attempt attempt) {
  const std::lock_guard lock(mutex_);
  attempts_.push_back(std::move(attempt));
}

std::vector<Attempt> Ledger::take_unknown_with_key() {
  const std::lock_guard lock(mutex_);
  std::vector<Attempt> taken;
  std::erase_if(open_, [&](Attempt& attempt) {
    if (attempt.key.empty()) return false;
    taken.push_back(attempt);
    return true;
  });
  return taken;
}

std::size_t Ledger::count(Attempt::Outcome outcome) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(attempts_.begin(), attempts_.end(),
                    [&](const Attempt& attempt) { return attempt.outcome == outcome; }));
}

std::size_t Ledger::events_acknowledged() const {
  const std::lock_guard lock(mutex_);
  std::size_t events = 0;
  for (const auto& attempt : attempts_) {
    if (attempt.outcome == Attempt::Outcome::acknowledged) events += attempt.events.size();
  }
  return events;
}

std::size_t Ledger::failures() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(attempts_.begin(), attempts_.end(),
                    [](const Attempt& attempt) { return attempt.failure.has_value(); }));
}

std::string Ledger::failures_in_words() const {
  const std::lock_guard lock(mutex_);
  std::string words;
  for (const auto& attempt : attempts_) {
    if (attempt.failure) words += attempt.name + ": " + to_string(*attempt.failure) + "\n";
  }
  return words;
}

void Ledger::check(EventStore& log) {
  auto stream = log.read({.after = Position(markers_.size())});
  while (true) {
    auto step = stream.next();
    ASSERT_TRUE(step) << to_string(step.error());
    if (!*step) break;
    for (const auto& event : (*step)->batch) {
      ASSERT_EQ(event.position().value, markers_.size() + 1) << "positions are not gapless";
      markers_.push_back(marker_of(event.data()));
      for (const auto tag : event.tags()) {
        if (tag == "hot:0") hot_.push_back(event.position().value);
      }
      positions_[markers_.back()].push_back(event.position().value);
    }
  }
  const std::lock_guard lock(mutex_);
  for (; checked_ < attempts_.size(); ++checked_) {
    const auto& attempt = attempts_[checked_];
    if (attempt.outcome == Attempt::Outcome::unknown) open_.push_back(attempt);
    std::vector<std::uint64_t> found;
    for (std::size_t i = 0; i < attempt.events.size(); ++i) {
      const auto& at = positions_[attempt.name + "." + std::to_string(i)];
      ASSERT_LE(at.size(), 1u) << attempt.name << " is there " << at.size() << " times";
      if (!at.empty()) found.push_back(at.front());
    }
    check(attempt, found);
  }
}

void Ledger::check(const Attempt& attempt, const std::vector<std::uint64_t>& found) {
  if (attempt.outcome == Attempt::Outcome::acknowledged) {
    ASSERT_EQ(found.size(), attempt.events.size()) << attempt.name << " was acknowledged";
    EXPECT_EQ(found.front(), attempt.answer.first.value) << attempt.name;
    EXPECT_EQ(found.back(), attempt.answer.last.value) << attempt.name;
  } else if (attempt.outcome == Attempt::Outcome::refused) {
    ASSERT_TRUE(found.empty()) << attempt.name << " was refused and is at " << found.front();
  } else if (!found.empty()) {
    ASSERT_EQ(found.size(), attempt.events.size()) << attempt.name << " is there in part";
  }
  for (std::size_t i = 1; i < found.size(); ++i) {
    EXPECT_EQ(found[i], found[i - 1] + 1) << attempt.name << " is torn apart";
  }
}

Appenders::Appenders(std::vector<std::shared_ptr<EventStore>> logs, Ledger& ledger,
                     std::uint32_t seed, OnFailure on_failure)
    : ledger_(ledger), seed_(seed), on_failure_(on_failure), logs_(std::move(logs)) {
  for (std::uint32_t i = 0; i < logs_.size(); ++i) {
    threads_.emplace_back([this, i] { run(*logs_[i], i); });
  }
}

Appenders::~Appenders() {
  join();
}

void Appenders::join() {
  stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

Attempt Appenders::next(std::uint32_t client, std::uint32_t number, std::uint32_t chance) const {
  Attempt attempt;
  attempt.name =
      std::to_string(seed_) + "-" + std::to_string(client) + "-" + std::to_string(number);
  for (std::uint32_t i = 0; i <= chance % 3; ++i) {
    attempt.events.push_back(
        {.type = "T" + std::to_string(chance / 3 % 3),
         .tags = {"client:" + std::to_string(client), "hot:" + std::to_string(chance / 9 % 4)},
         .data = "{\"m\":\"" + attempt.name + "." + std::to_string(i) + "\"}"});
  }
  if (chance / 36 % 3 == 0) attempt.key = attempt.name;
  return attempt;
}

void Appenders::run(EventStore& log, std::uint32_t client) {
  std::mt19937 random(seed_ * 31 + client);
  Position known;
  for (std::uint32_t number = 0; !stopping_; ++number) {
    auto attempt = next(client, number, static_cast<std::uint32_t>(random() % 1'000'000));
    if (on_failure_ == OnFailure::ask_again) attempt.key = attempt.name;
    AppendRequest request{.events = attempt.events, .idempotency_key = attempt.key};
    if (random() % 2 == 0) {
      request.condition = {.fail_if_events_match = Query{}.tagged(attempt.events.front().tags[1]),
                           .after = known};
    }
    const auto appended = on_failure_ == OnFailure::ask_again
                              ? ask_again([&] { return log.append(request); })
                              : log.append(std::move(request));
    if (appended) {
      attempt.outcome = Attempt::Outcome::acknowledged;
      attempt.answer = *appended;
      known = appended->last;
    } else if (appended.error().code == Code::aborted) {
      attempt.outcome = Attempt::Outcome::refused;
      known = Position(std::stoull(appended.error().details.at("position")));
    } else if (appended.error().reason == Reason::shutting_down) {
      attempt.outcome = Attempt::Outcome::refused;
    } else {
      attempt.failure = appended.error();
      const auto& [code, reason, message, details, retry_after] = appended.error();
      EXPECT_TRUE(code == Code::unavailable || code == Code::deadline_exceeded)
          << to_string(appended.error());
      // Who says so is taken at their word.
      const auto recorded = details.find("recorded");
      if (recorded != details.end() && recorded->second == "no") {
        attempt.outcome = Attempt::Outcome::refused;
      }
    }
    const bool failed = attempt.failure.has_value();
    ledger_.add(std::move(attempt));
    if (!failed && (appended || appended.error().code == Code::aborted)) continue;
    if (on_failure_ == OnFailure::stop) return;
    std::this_thread::sleep_for(2ms);
  }
}

Follower::~Follower() {
  join();
}

void Follower::join() {
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Follower::follow(std::shared_ptr<EventStore> log, OnFailure on_failure) {
  join();
  stop_ = {};
  thread_ = std::thread([this, log = std::move(log), on_failure] {
    do {
      auto subscription =
          log->subscribe({.query = query_, .after = cursor(), .call = {.stop = stop_.get_token()}});
      if (!subscription) continue;
      while (const auto step = (*subscription)->next()) {
        for (const auto& event : step->batch) seen_.push_back(event.position().value);
        cursor_ = step->cursor.value;
      }
    } while (on_failure == OnFailure::go_on && !stop_.stop_requested());
  });
}

bool Follower::reach(Position position) {
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (cursor() < position && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(1ms);
  }
  join();
  return cursor() >= position;
}

}  // namespace weir::testing_support
