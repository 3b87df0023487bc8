#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weir/store/event_store.hpp>

namespace weir::bench {

/// What a decision has read.
struct Boundary {
  /// Of its events, each of which has been looked at.
  std::vector<Position> positions;
  Position head;
};

/// A live subscription that tells how far it has come until it is destroyed.
class Listener {
 public:
  virtual ~Listener() = default;
};
/// Told the position of the last event received, or why there will be no more.
using OnPosition = std::function<void(const Result<Position>&)>;

/// The operations that are measured, by one protocol or another.
/// Threads: any. `client` says on whose behalf, so that clients can have connections of their own.
class Api {
 public:
  virtual ~Api() = default;

  virtual Result<Position> head() = 0;
  /// Tells the position of the last event.
  virtual void append(std::size_t client, AppendRequest request, Done<Position> done) = 0;
  virtual Result<Position> append(std::size_t client, AppendRequest request) = 0;
  /// Reads all past `after` that matches.
  virtual void read_boundary(std::size_t client, const Query& query, Position after,
                             Done<Boundary> done) = 0;
  /// Reads the whole log, looks at each event, and tells the size of each batch; ends early when
  /// told false.
  virtual Result<void> read_all(std::size_t client, std::size_t batch,
                                const std::function<bool(std::size_t events)>& on_batch) = 0;
  virtual Result<std::unique_ptr<Listener>> listen(std::size_t client, Position after,
                                                   OnPosition on_position) = 0;
};

/// By the interface of a store: in this process, or our own client.
std::unique_ptr<Api> make_weir_api(std::shared_ptr<EventStore> store);

/// By the umadb.v1 protocol, with a connection for every four clients.
/// Errors: unavailable when nothing answers at HOST:PORT.
Result<std::unique_ptr<Api>> make_umadb_api(const std::string& target, std::size_t clients);

}  // namespace weir::bench
