#pragma once

#include <memory>

#include <weir/server/streams.hpp>

namespace weir::server::umadb {

/// ReadResponses: at least one (but none when nothing is asked for), as of the head of the first.
std::unique_ptr<StepFeed> make_read_feed(std::shared_ptr<EventStore> log, ReadRequest request);

/// SubscribeResponses: only events, as they come. Ends without an error when the log is shut down.
/// The store is read on `readers`.
std::unique_ptr<StepFeed> make_subscription_feed(std::shared_ptr<EventStore> log,
                                                 std::unique_ptr<Subscription> subscription,
                                                 std::size_t batch_events_max, Executor& readers);

}  // namespace weir::server::umadb
