#pragma once

#include <memory>
#include <vector>

#include <weir/gateway/gateway.hpp>
#include <weir/server/access.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/request_limits.hpp>
#include <weir/store/event_store.hpp>

namespace weir::server {

/// The HTTP contract that the DCB benchmark (dcb.events) asks of an event store, so that it runs
/// unmodified:
///   GET /read?query={"items":[{"types":[],"tags":[]}]}
///             &options={"from":1,"limit":10,"backwards":true}
///     200 [{"type":"T","tags":["t"],"data":"...","position":1}]
///   POST /append {"events":[{"type":"T","tags":["t"],"data":"..."}],
///                 "condition":{"failIfEventsMatch":{"items":[]},"after":1}}
///     200 {"durationInMicroseconds":830,"appendConditionFailed":false}
/// `from` is included. Data is a string, kept as it is (text/plain); what came by other ways and is
/// no text is given in base64, with "dataEncoding":"base64". Bad input is answered with 400 in the
/// gateway's form. A long answer is streamed; one that fails half-way is cut.
/// Needs the rights to read and to append that the same calls of gRPC need.
/// None may be null. Threads: any; nothing waits for the disk.
std::vector<gateway::Route> dcb_adapter_routes(std::shared_ptr<EventStore> log,
                                               std::shared_ptr<const Access> access,
                                               std::shared_ptr<Admission> admission,
                                               std::shared_ptr<const RequestLimits> limits);

}  // namespace weir::server
