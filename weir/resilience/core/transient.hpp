#pragma once

#include <weir/base/error.hpp>

namespace weir::resilience {

/// Whether the same call may well succeed a little later: unavailable, resource_exhausted and
/// deadline_exceeded. What retry handles unless told otherwise. It does not say that repeating is
/// safe: that is for whoever knows what the call does.
bool transient(const Error& error);

/// Whether an error tells that what was called is unwell, rather than that it refused or that the
/// caller gave up: unavailable, deadline_exceeded, unknown, internal and data_loss. What a circuit
/// breaker and an adaptive limit count unless told otherwise.
bool unwell(const Error& error);

}  // namespace weir::resilience
