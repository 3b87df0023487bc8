#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/base/result.hpp>

namespace weir::postgres {

/// A place where a server may listen. All empty: where libpq would look by itself.
struct Host {
  /// A name, an address, or the folder of a Unix socket.
  std::string name = {};
  /// libpq's hostaddr: where to connect without looking the name up. Mostly empty.
  std::string address = {};
  std::string port = {};

  bool operator==(const Host&) const = default;
};

/// "db1:5432"; an IPv6 address in brackets.
std::string to_string(const Host& host);

/// Whether an address ("postgres://...", "host=...") can be read; nothing else is looked at.
/// Errors: invalid_argument, naming "store" and never repeating the address.
Result<void> check_address(const std::string& uri);

/// The servers of one database, of which at any moment one is the primary, and what was learnt
/// about which: shared by all who connect, so that what one of them found out spares the others a
/// detour.
/// PostgreSQL counts a timeline up with each fail-over. Once a primary of one has been seen, none
/// of an earlier one counts any more, and what is connected to another host ends: a primary that
/// hung, was replaced and goes on later is neither written to nor read from by who shares this. Who
/// has not seen the later one can't know. Threads: any.
class Hosts {
 public:
  /// Those that the URI names, "postgres://db1:5432,db2:5433/weir", or libpq's service files and
  /// variables (PGHOST), in their order, and then `more`: "db3", "db3:5432", "[::1]:5432".
  /// Errors: invalid_argument, naming "store" or "hosts", and never repeating the URI.
  static Result<std::shared_ptr<Hosts>> of(const std::string& uri,
                                           const std::vector<std::string>& more = {});

  /// That one alone.
  static std::shared_ptr<Hosts> of(Host host);

  const std::vector<Host>& all() const { return all_; }

  /// Indices of all in the order in which the primary is to be looked for: where it was last found,
  /// then those that did not fail, then those that did, longest ago first.
  std::vector<std::size_t> order() const;
  /// Somebody connected to a primary there. Nothing when it is one of the past, not to be used.
  /// `timeline` 0: not known.
  /// Else what replaced() gives from then on.
  std::optional<std::stop_token> found_primary(std::size_t index, std::uint32_t timeline = 0);
  /// Somebody saw a primary there, without need of one. Makes a difference only when its timeline
  /// is a later one than any before.
  void saw_primary(std::size_t index, std::uint32_t timeline);
  /// Stopped when the primary of a later timeline is found, at another host or where this one's
  /// name leads by then: for a connection to this one, made as to the primary. Before anybody can
  /// see the change; what it calls must not call in here. Of a database with one host: never.
  std::stop_token replaced(std::size_t index) const;
  /// It could not be reached, or is not the primary.
  void failed(std::size_t index);
  /// Where it was last found.
  std::optional<std::size_t> primary() const;
  /// The latest that was seen; 0: none.
  std::uint32_t timeline() const;
  /// How often the primary was found elsewhere than before, or on a later timeline.
  std::size_t changes() const;

 private:
  explicit Hosts(std::vector<Host> all)
      : all_(std::move(all)), ranks_(all_.size(), 0), replaced_(all_.size()) {}

  const std::vector<Host> all_;
  mutable std::mutex mutex_;
  /// The lower the sooner.
  std::vector<long> ranks_;
  long last_rank_ = 0;
  std::ptrdiff_t primary_ = -1;
  std::size_t changes_ = 0;
  std::uint32_t timeline_ = 0;
  /// By host, of the connections of this timeline.
  std::vector<std::stop_source> replaced_;
};

}  // namespace weir::postgres
