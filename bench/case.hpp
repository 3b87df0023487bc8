#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <apps/weir/bench_load.hpp>
#include <weir/base/result.hpp>

namespace weir::bench {

/// What is measured where.
struct Context {
  /// Holds every store; on the disk that is measured.
  std::filesystem::path folder;
  /// The program `weir`.
  std::string program;
  bool quick = false;
  const Clock& clock = system_clock();
  Workload workload = {};

  int rounds() const { return quick ? 3 : 7; }
  std::chrono::duration<double> seconds() const {
    return std::chrono::duration<double>(quick ? 1.0 : 3.0);
  }
  std::uint64_t many_events() const { return quick ? 1'000'000 : 10'000'000; }
  std::string path(const std::string& name) const { return (folder / name).string(); }

  /// Appending 1000 events at a time up to many_events(), beside the same without an index.
  struct Sustained {
    double raw_events_per_second = 0;
    double weir_events_per_second = 0;
    /// The longest append, less the time that the write-ahead log took to reach the disk meanwhile.
    double longest_wait_ms = 0;
    std::string store;
  };
  /// Measured when first asked for; leaves a log of many_events(), of which 2500 have a tag
  /// boundary:000000 to boundary:000099, spread evenly.
  Result<Sustained> sustained();

 private:
  std::optional<Sustained> sustained_;
};

/// Figures of the raw baseline and of Weir, and what their ratio must at least be. Where less is
/// better the ratio is raw / weir, or limit / weir, so that more is better everywhere.
struct Figures {
  double raw = 0;
  double weir = 0;
  double ratio = 0;
};

struct Case {
  std::string name;
  const char* unit;
  double at_least = 0;
  std::function<Result<Figures>(Context&)> measure;
  /// Of a case that says how many times the raw figure ours may be: the ratio is weir / raw, less
  /// is better, and at_least means nothing.
  std::optional<double> at_most = {};

  bool met(double ratio) const { return at_most ? ratio <= *at_most : ratio >= at_least; }
};

using Sample = std::function<Result<double>()>;
/// Takes one sample of each in turn, so that both see the same moods of the machine, and gives the
/// medians. The ratio is weir / raw.
Result<Figures> alternate(int rounds, const Sample& raw, const Sample& weir);
/// The same where less is better: the ratio is raw / weir.
Result<Figures> alternate_less(int rounds, const Sample& raw, const Sample& weir);

double median(std::vector<double> samples);
/// A name for figures of the quick run that the full one takes on 10,000,000 events.
std::string how_many(const Context& context);

std::vector<Case> sqlite_cases(const Context& context);
std::vector<Case> postgres_cases();
std::vector<Case> wire_cases();
std::vector<Case> subscription_cases();
std::vector<Case> resilience_cases();
std::vector<Case> telemetry_cases();
std::vector<Case> buffer_cases();

}  // namespace weir::bench
