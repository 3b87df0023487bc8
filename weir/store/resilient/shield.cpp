#include <weir/store/resilient/shield.hpp>

#include <weir/store/resilient/backend.hpp>
#include <weir/store/resilient/catalog.hpp>

namespace weir::resilient {
namespace {

constexpr const char* read_name = "store.read";
constexpr const char* write_name = "store.write";

}  // namespace

Shield::Shield(ShieldOptions options)
    : options_(std::move(options)), recovery_(options_.recovery, *options_.clock) {}

Result<std::shared_ptr<Shield>> Shield::create(ShieldOptions options) {
  WEIR_TRY(check(options));
  auto shield = std::shared_ptr<Shield>(new Shield(std::move(options)));
  WEIR_TRY_ASSIGN(registry, resilience::Registry::create({}));
  shield->registry_ = std::move(registry);
  WEIR_TRY(shield->add(read_name, shield->options_.read, shield->read_));
  WEIR_TRY(shield->add(write_name, shield->options_.write, shield->write_));
  return shield;
}

Result<void> Shield::add(const char* name, const Strategies& strategies,
                         std::optional<resilience::Pipeline>& to) {
  WEIR_TRY_ASSIGN(added, registry_->add(builder(name, strategies, options_.listener)));
  to = std::move(added);
  return {};
}

resilience::PipelineBuilder Shield::builder(const char* name, const Strategies& strategies,
                                            std::shared_ptr<resilience::Listener> listener) const {
  auto pipeline = resilience::pipeline(name);
  pipeline.timeout(strategies.timeout)
      .retry(strategies.retry)
      .circuit_breaker(strategies.circuit_breaker)
      .listener(recovery_.listener(std::move(listener)))
      .time(*options_.clock, *options_.timers);
  if (options_.seed) pipeline.seed(*options_.seed);
  return pipeline;
}

Result<void> Shield::reload(ShieldOptions options) {
  WEIR_TRY(check(options));
  WEIR_TRY(registry_->reload(builder(read_name, options.read, options.listener)));
  WEIR_TRY(registry_->reload(builder(write_name, options.write, options.listener)));
  recovery_.replace(options.recovery);
  return {};
}

void Shield::look_with(Look look) {
  recovery_.begin({{.pipeline = *read_}, {.pipeline = *write_, .writes = true}}, std::move(look));
}

std::vector<CircuitState> Shield::circuits() const {
  std::vector<CircuitState> states;
  const auto now = options_.clock->instant();
  for (const auto* pipeline : {&*read_, &*write_}) {
    const auto core = pipeline->core();
    for (const auto& level : core->levels) {
      if (level.kind != resilience::Kind::circuit_breaker) continue;
      states.push_back({core->name, level.with<resilience::CircuitBreaker>().snapshot(now)});
    }
  }
  return states;
}

std::unique_ptr<engine::Backend> Shield::around(std::unique_ptr<engine::Backend> backend) {
  return shielded(std::move(backend), *read_, *write_, shared_from_this());
}

std::shared_ptr<Catalog> Shield::around(std::shared_ptr<Catalog> catalog) {
  return shielded(std::move(catalog), *read_, *write_, shared_from_this());
}

}  // namespace weir::resilient
