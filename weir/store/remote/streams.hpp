#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include <weir/store/event_store.hpp>
#include <weir/store/remote/wire.hpp>

namespace weir::remote {

/// A whole read over a stream of its own, and a subscription likewise.
std::unique_ptr<StepSource> open_read_stream(const Wire& wire, const std::string& log,
                                             ReadRequest request);
Result<std::unique_ptr<Subscription>> open_subscription_stream(const Wire& wire,
                                                               const std::string& log,
                                                               SubscribeRequest request);

}  // namespace weir::remote
