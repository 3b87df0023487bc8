#pragma once

#include <memory>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/engine/backend.hpp>

namespace weir::resilient {

/// The backend with each operation under one of the pipelines. `shield` is kept. See Shield.
std::unique_ptr<engine::Backend> shielded(std::unique_ptr<engine::Backend> backend,
                                          resilience::Pipeline read, resilience::Pipeline write,
                                          std::shared_ptr<const void> shield);

}  // namespace weir::resilient
