#include <weir/resilience/core/transient.hpp>

namespace weir::resilience {

bool transient(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::resource_exhausted ||
         error.code == Code::deadline_exceeded;
}

bool unwell(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::deadline_exceeded ||
         error.code == Code::unknown || error.code == Code::internal ||
         error.code == Code::data_loss;
}

}  // namespace weir::resilience
