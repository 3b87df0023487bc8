#include <weir/telemetry/api/context.hpp>

namespace weir::telemetry {
namespace {

const Context nothing;
thread_local constinit const Context* current = nullptr;

}  // namespace

const Context& current_context() {
  return current == nullptr ? nothing : *current;
}

Scope::Scope(Context context) : context_(std::move(context)), before_(current) {
  current = &context_;
}

Scope::~Scope() {
  current = before_;
}

}  // namespace weir::telemetry
