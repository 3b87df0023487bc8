#pragma once

#include <cstdint>
#include <functional>

#include <weir/store/event_store.hpp>

#include <apps/weir/program.hpp>

namespace weir::cli {

struct VerifyOptions {
  /// Terms (types, tags, indexed values) whose index is compared with the scan. A log with more of
  /// them has a share of each kind checked, chosen by hash: the same ones every time. Default
  /// 20,000.
  std::size_t terms_max = 20'000;
  /// What the store may be asked for; terms past it are not compared. The store's own when null.
  const Limits* limits = nullptr;
  OnDamage on_damage = [](const std::string&) {};
  OnProgress on_progress = [](std::uint64_t, std::uint64_t) {};
};

struct Verified {
  std::uint64_t events = 0;
  std::uint64_t terms = 0;
  /// All terms of the log were compared, but for those past the limits.
  bool every_term = true;
  /// There were terms that the store cannot be asked for.
  bool terms_past_limits = false;
  std::uint64_t damages = 0;
};

/// Reads a whole log and compares: positions gapless from 1 to the head, recorded_at never going
/// backwards, text and JSON valid where claimed, and for each term that the
/// index finds exactly the events that the scan found.
/// Memory: some 100 bytes a term, and its text. Threads: one at a time; the log may be in use.
/// Errors: those of reading, except data_loss, which is a finding.
Result<Verified> verify_log(EventStore& store, const VerifyOptions& options);

}  // namespace weir::cli
