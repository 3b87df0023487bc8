#pragma once

#include <weir/telemetry/api/metrics.hpp>
#include <weir/telemetry/api/tracer.hpp>

namespace weir::telemetry {

/// What a part of the program reports with: an argument, like its clock. By default nothing is
/// collected. A value; tracer and meter must outlive whoever holds it.
struct Telemetry {
  Tracer* tracer = &no_tracer();
  Meter* meter = &no_meter();
};

}  // namespace weir::telemetry
