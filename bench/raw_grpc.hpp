#pragma once

#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/store/event_store.hpp>

namespace weir::bench {

/// gRPC with nothing of ours on top: a server that answers an append at once and streams made-up
/// events, batch after batch, with the messages of weir.v1. Prints its address on one line and
/// serves until SIGTERM.
Result<void> serve_raw_grpc(std::size_t batch);

/// A client of it.
/// Threads: one at a time.
class RawGrpc {
 public:
  static Result<std::unique_ptr<RawGrpc>> connect(const std::string& target);
  ~RawGrpc();

  /// A unary call with an event of 260 bytes.
  Result<void> call();
  /// The same without waiting; any number at a time. All must have ended before this does.
  void call(Done<void> done);
  /// Streams so many events, looks at each, and tells how many there were.
  Result<std::uint64_t> stream(std::uint64_t events);

 private:
  struct Parts;
  explicit RawGrpc(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::bench
