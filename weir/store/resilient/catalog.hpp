#pragma once

#include <memory>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/event_store.hpp>

namespace weir::resilient {

/// The catalog with each operation under one of the pipelines. `shield` is kept. See Shield.
std::shared_ptr<Catalog> shielded(std::shared_ptr<Catalog> catalog, resilience::Pipeline read,
                                  resilience::Pipeline write, std::shared_ptr<const void> shield);

}  // namespace weir::resilient
