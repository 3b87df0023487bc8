#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <weir/base/result.hpp>
#include <weir/base/unique_function.hpp>
#include <weir/rpc/client_call.hpp>
#include <weir/store/event_store.hpp>

namespace weir::server {

/// What a stream delivered.
struct Delivered {
  /// The log's last event; otherwise, in an empty log, that there is none.
  bool event = false;
  std::chrono::nanoseconds took{};
};

/// Subscribes over `channel` from before the event at `head`, as a client would, and ends once that
/// event has come; in an empty log, word that it is caught up. Appends nothing. `authorization`
/// goes along unless it is empty.
/// Answers by `done`, once, on the poller's thread.
/// Errors: deadline_exceeded (nothing came within `patience`), and those of the call.
void probe_stream(const std::shared_ptr<grpc::Channel>& channel, rpc::Poller& poller,
                  const std::string& authorization, Position head,
                  std::chrono::milliseconds patience, const Clock& clock, Done<Delivered> done);

}  // namespace weir::server
