#include <weir/resilience/registry/registry.hpp>

#include <fmt/format.h>

#include <weir/resilience/core/check.hpp>

namespace weir::resilience {

Result<std::unique_ptr<Registry>> Registry::create(const Options& options) {
  WEIR_TRY(Check("registry").in("pipelines_max", options.pipelines_max, 1, 100'000).result());
  return std::unique_ptr<Registry>(new Registry(options));
}

Result<Pipeline> Registry::add(const PipelineBuilder& builder) {
  const auto& spec = builder.spec();
  const std::lock_guard lock(mutex_);
  if (slots_.contains(spec.name)) {
    return Error{.code = Code::already_exists,
                 .message = fmt::format("there is a pipeline '{}' already", spec.name)};
  }
  if (slots_.size() >= static_cast<std::size_t>(options_.pipelines_max)) {
    return Error{.code = Code::resource_exhausted,
                 .message = fmt::format("there are {} pipelines, the limit", slots_.size())};
  }
  WEIR_TRY_ASSIGN(core, build_core(spec, nullptr));
  auto slot = std::make_shared<detail::Slot>(std::move(core), true);
  slots_.emplace(spec.name, slot);
  return Pipeline(std::move(slot));
}

Result<std::shared_ptr<detail::Slot>> Registry::find(std::string_view name) const {
  const auto found = slots_.find(name);
  if (found != slots_.end()) return found->second;
  return Error{.code = Code::not_found, .message = fmt::format("no pipeline '{}'", name)};
}

Result<Pipeline> Registry::get(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  WEIR_TRY_ASSIGN(slot, find(name));
  return Pipeline(std::move(slot));
}

std::vector<std::string> Registry::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, slot] : slots_) names.push_back(name);
  return names;
}

Result<void> Registry::reload(const PipelineBuilder& builder) {
  const auto& spec = builder.spec();
  {
    const std::lock_guard lock(mutex_);
    WEIR_TRY_ASSIGN(slot, find(spec.name));
    const auto before = slot->pin();
    WEIR_TRY_ASSIGN(core, build_core(spec, before.get()));
    slot->replace(std::move(core));
  }
  if (spec.listener) {
    spec.listener->on_event({.kind = EventKind::reloaded, .pipeline = spec.name});
  }
  return {};
}

}  // namespace weir::resilience
