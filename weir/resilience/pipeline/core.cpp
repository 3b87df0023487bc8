#include <weir/resilience/pipeline/core.hpp>

#include <algorithm>
#include <set>
#include <type_traits>

#include <fmt/format.h>

#include <weir/base/random.hpp>
#include <weir/resilience/core/check.hpp>

namespace weir::resilience {
namespace {

template <class Options>
struct MachineOf {
  using type = void;
};
template <>
struct MachineOf<CircuitBreakerOptions> {
  using type = CircuitBreaker;
};
template <>
struct MachineOf<BulkheadOptions> {
  using type = Bulkhead;
};
template <>
struct MachineOf<RateLimiterOptions> {
  using type = RateLimiter;
};
template <>
struct MachineOf<AdaptiveLimitOptions> {
  using type = AdaptiveLimit;
};
template <>
struct MachineOf<LoadSheddingOptions> {
  using type = LoadShedder;
};

const std::string& name_in(const StrategyOptions& options) {
  return std::visit([](const auto& of_kind) -> const std::string& { return of_kind.name; },
                    options);
}

/// A second strategy of one name gets a number: timeout, timeout_2.
std::vector<StrategyOptions> with_unique_names(std::vector<StrategyOptions> strategies) {
  std::set<std::string> taken;
  for (auto& options : strategies) {
    std::visit(
        [&](auto& of_kind) {
          const std::string wanted = of_kind.name;
          for (int i = 2; !taken.insert(of_kind.name).second; ++i) {
            of_kind.name = fmt::format("{}_{}", wanted, i);
          }
        },
        options);
  }
  return strategies;
}

Result<TypeKey> common_type(const std::vector<StrategyOptions>& strategies) {
  TypeKey type = nullptr;
  for (const auto& options : strategies) {
    TypeKey own = nullptr;
    if (const auto* fallback = std::get_if<ErasedFallback>(&options)) own = fallback->type;
    if (const auto* chaos = std::get_if<ErasedChaosOutcome>(&options)) own = chaos->type;
    if (own == nullptr) continue;
    if (type != nullptr && own != type) {
      return invalid_field(name_in(options), "returns another type than a strategy before it");
    }
    type = own;
  }
  return type;
}

const Level* find_same(const Core* previous, const StrategyOptions& options) {
  if (previous == nullptr) return nullptr;
  for (const auto& level : previous->levels) {
    if (level.kind == kind_of(options) && level.name() == name_in(options)) return &level;
  }
  return nullptr;
}

Result<void> check_all(const PipelineSpec& spec, const std::vector<StrategyOptions>& strategies,
                       const Core* previous) {
  WEIR_TRY(Check("pipeline")
               .that(!spec.name.empty() && spec.name.size() <= 200, "name",
                     "must have 1 to 200 characters")
               .in("strategies", static_cast<double>(strategies.size()), 1, strategies_max)
               .result());
  for (const auto& options : strategies) {
    WEIR_TRY(std::visit([](const auto& of_kind) { return check(of_kind); }, options));
    const auto* limiter = std::get_if<RateLimiterOptions>(&options);
    const auto* same = find_same(previous, options);
    if (limiter == nullptr || same == nullptr) continue;
    const auto& before = same->as<RateLimiterOptions>();
    WEIR_TRY(
        Check(limiter->name)
            .that(limiter->algorithm == before.algorithm, "algorithm", "cannot change in a reload")
            .that(limiter->keyed == before.keyed, "keyed", "cannot change in a reload")
            .result());
  }
  return {};
}

/// What a strategy keeps between calls; null for those that keep nothing.
Result<std::shared_ptr<void>> machine_for(const StrategyOptions& options, const Level* same) {
  using Made = Result<std::shared_ptr<void>>;
  if (kind_of(options) == Kind::hedging) {
    if (same != nullptr) return same->machine;
    return std::shared_ptr<void>(std::make_shared<LatencyHistogram>());
  }
  return std::visit(
      [&](const auto& of_kind) -> Made {
        using Machine = typename MachineOf<std::decay_t<decltype(of_kind)>>::type;
        if constexpr (std::is_void_v<Machine>) {
          return std::shared_ptr<void>();
        } else if (same != nullptr) {
          WEIR_TRY(same->with<Machine>().reconfigure(of_kind));
          return same->machine;
        } else {
          WEIR_TRY_ASSIGN(machine, Machine::create(of_kind));
          return std::shared_ptr<void>(std::shared_ptr<Machine>(std::move(machine)));
        }
      },
      options);
}

HotLevel hot_level(const Level& level) {
  HotLevel hot{.kind = level.kind, .slow = true, .machine = level.machine.get()};
  switch (level.kind) {
    case Kind::retry:
      hot.budget = level.as<RetryOptions>().budget.get();
      hot.slow = level.as<RetryOptions>().total_max.has_value();
      break;
    case Kind::timeout:
      hot.after = level.as<TimeoutOptions>().after;
      hot.slow = static_cast<bool>(level.as<TimeoutOptions>().after_generated);
      break;
    case Kind::circuit_breaker:
    case Kind::bulkhead:
    case Kind::rate_limiter:
    case Kind::fallback:
      hot.slow = false;
      break;
    default:
      break;
  }
  return hot;
}

bool looks_at_values(const StrategyOptions& options) {
  return std::visit(
      [](const auto& of_kind) {
        if constexpr (requires { of_kind.handled; }) {
          return static_cast<bool>(of_kind.handled.values);
        } else {
          return false;
        }
      },
      options);
}

}  // namespace

std::string_view name_of(Kind kind) {
  static constexpr std::array<std::string_view, 13> names = {
      "retry",          "circuit_breaker", "timeout",        "bulkhead",      "rate_limiter",
      "adaptive_limit", "hedging",         "fallback",       "load_shedding", "chaos_fault",
      "chaos_outcome",  "chaos_latency",   "chaos_behaviour"};
  return names[static_cast<std::size_t>(kind)];
}

const std::string& Level::name() const {
  return name_in(options);
}

bool Level::runs_beside() const {
  return kind == Kind::hedging || (kind == Kind::timeout && as<TimeoutOptions>().pessimistic);
}

Result<CorePtr> build_core(const PipelineSpec& spec, const Core* previous) {
  const auto strategies = with_unique_names(spec.strategies);
  WEIR_TRY(check_all(spec, strategies, previous));
  WEIR_TRY_ASSIGN(type, common_type(strategies));
  auto core = std::make_shared<Core>();
  core->name = spec.name;
  core->listener = spec.listener;
  core->wants_calls = spec.listener && spec.listener->wants_calls();
  core->type = type;
  core->clock = spec.clock;
  core->timers = spec.timers;
  core->chance = previous != nullptr && !spec.seed
                     ? previous->chance
                     : std::make_shared<Chance>(spec.seed ? *spec.seed : random_seed());
  for (const auto& options : strategies) {
    WEIR_TRY_ASSIGN(machine, machine_for(options, find_same(previous, options)));
    core->levels.push_back(
        {.kind = kind_of(options), .options = options, .machine = std::move(machine)});
  }
  const auto count = core->levels.size();
  bool beside = false;
  bool values = false;
  core->segment_end[count] = static_cast<std::uint8_t>(count);
  for (std::size_t i = count; i-- > 0;) {
    const bool runs_beside = core->levels[i].runs_beside();
    beside = beside || runs_beside;
    values = values || looks_at_values(core->levels[i].options);
    core->hot[i] = hot_level(core->levels[i]);
    core->segment_end[i] = runs_beside ? static_cast<std::uint8_t>(i) : core->segment_end[i + 1];
  }
  core->plain = !beside && !values && !core->wants_calls;
  core->executor = spec.executor;
  if (beside && !core->executor) {
    core->executor = previous != nullptr && previous->executor
                         ? previous->executor
                         : std::make_shared<Executor>(Executor::Options{
                               .threads = 8, .queue_max = 1024, .name = "weir-beside"});
  }
  return CorePtr(std::move(core));
}

}  // namespace weir::resilience
