#pragma once

#include <memory>

#include <weir/resilience/pipeline/pipeline.hpp>
#include <weir/store/engine/backend.hpp>

namespace weir::resilient {

/// The backend with each operation under one of the pipelines. See Shield.
std::unique_ptr<engine::Backend> shielded(std::unique_ptr<engine::Backend> backend,
                                          resilience::Pipeline read, resilience::Pipeline write);

}  // namespace weir::resilient
