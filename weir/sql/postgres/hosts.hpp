#pragma once

#include <memory>
#include <mutex>
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

/// The servers of one database, of which at any moment one is the primary, and what was learnt
/// about which: shared by all who connect, so that what one of them found out spares the others a
/// detour.
/// Threads: any.
class Hosts {
 public:
  /// Those that the URI names, "postgres://db1:5432,db2:5433/weir", in its order, and then `more`:
  /// "db3", "db3:5432", "[::1]:5432".
  /// Errors: invalid_argument, naming "store" or "hosts".
  static Result<std::shared_ptr<Hosts>> of(const std::string& uri,
                                           const std::vector<std::string>& more = {});

  /// That one alone.
  static std::shared_ptr<Hosts> of(Host host);

  const std::vector<Host>& all() const { return all_; }

  /// Indices of all in the order in which the primary is to be looked for: where it was last found,
  /// then those that did not fail, then those that did, longest ago first.
  std::vector<std::size_t> order() const;
  void found_primary(std::size_t index);
  /// It could not be reached, or is not the primary.
  void failed(std::size_t index);
  /// How often the primary was found elsewhere than before.
  std::size_t changes() const;

 private:
  explicit Hosts(std::vector<Host> all) : all_(std::move(all)), ranks_(all_.size(), 0) {}

  const std::vector<Host> all_;
  mutable std::mutex mutex_;
  /// The lower the sooner.
  std::vector<long> ranks_;
  long last_rank_ = 0;
  std::ptrdiff_t primary_ = -1;
  std::size_t changes_ = 0;
};

}  // namespace weir::postgres
