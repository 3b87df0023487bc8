#include <weir/resilience/pipeline/builder.hpp>

namespace weir::resilience {

PipelineBuilder& PipelineBuilder::add(StrategyOptions options) {
  spec_.strategies.push_back(std::move(options));
  return *this;
}

PipelineBuilder& PipelineBuilder::preset(const Preset& preset) {
  for (const auto& options : strategies_of(preset)) add(options);
  return *this;
}

PipelineBuilder& PipelineBuilder::listener(std::shared_ptr<Listener> listener) {
  spec_.listener = std::move(listener);
  return *this;
}

PipelineBuilder& PipelineBuilder::time(const Clock& clock, Timers& timers) {
  spec_.clock = &clock;
  spec_.timers = &timers;
  return *this;
}

PipelineBuilder& PipelineBuilder::seed(std::uint64_t seed) {
  spec_.seed = seed;
  return *this;
}

PipelineBuilder& PipelineBuilder::executor(std::shared_ptr<Executor> executor) {
  spec_.executor = std::move(executor);
  return *this;
}

Result<Pipeline> PipelineBuilder::build() const {
  WEIR_TRY_ASSIGN(core, build_core(spec_, nullptr));
  return Pipeline(std::make_shared<detail::Slot>(std::move(core), false));
}

}  // namespace weir::resilience
