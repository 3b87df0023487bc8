#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weir/telemetry/api/tracer.hpp>
#include <weir/telemetry/sdk/resource.hpp>

namespace weir::telemetry {

/// Nanoseconds of the wall clock since 1970 (UTC), as OTLP has them.
using UnixNanos = std::uint64_t;

/// A span that has ended, or is under way.
struct SpanData {
  struct Event {
    UnixNanos at = 0;
    std::string name;
    std::vector<OwnedAttribute> attributes;
  };

  std::string name;
  SpanKind kind = SpanKind::internal;
  SpanContext context;
  /// Not valid: a root.
  SpanId parent;
  bool parent_remote = false;
  UnixNanos start = 0;
  UnixNanos end = 0;
  std::vector<OwnedAttribute> attributes;
  std::vector<Event> events;
  std::vector<Link> links;
  StatusCode status = StatusCode::unset;
  std::string status_description;
  /// Past the limits.
  std::uint32_t dropped_attributes = 0;
  std::uint32_t dropped_events = 0;
  std::uint32_t dropped_links = 0;
  /// The part of the program that made it: "weir.server".
  std::string scope;
};

}  // namespace weir::telemetry
