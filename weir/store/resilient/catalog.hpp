#pragma once

#include <memory>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/event_store.hpp>

namespace weir::resilient {

/// The catalog with each operation under one of the pipelines. See Shield.
std::shared_ptr<Catalog> shielded(std::shared_ptr<Catalog> catalog, resilience::Pipeline read,
                                  resilience::Pipeline write);

}  // namespace weir::resilient
