#include <apps/weir/bench_operations.hpp>
#include <bench/case.hpp>
#include <bench/process.hpp>
#include <weir/open.hpp>
#include <weir/store/engine/log.hpp>

namespace weir::bench {
namespace {

constexpr std::size_t subscribers = 1000;

Load load_of(const Context& context) {
  return {.clients = subscribers,
          .warm_up = std::chrono::duration<double>(0.2),
          .seconds = context.seconds()};
}

Result<Figures> all_have_it(Context& context) {
  WEIR_TRY_ASSIGN(server, serve(context.program, "sqlite:" + context.path("subscribers.db")));
  WEIR_TRY_ASSIGN(store, weir::open("weir://" + server.target));
  auto api = make_weir_api(store);
  Measured measured;
  WEIR_TRY(
      notify_subscribers(*api, context.workload, load_of(context), 1, context.clock, {}, measured));
  constexpr double limit_ms = 250;
  const auto longest = static_cast<double>(measured.latencies.max().count()) / 1e6;
  return Figures{.raw = limit_ms, .weir = longest, .ratio = limit_ms / longest};
}

Result<Figures> store_is_read_once(Context& context) {
  WEIR_TRY_ASSIGN(store, weir::open("sqlite:" + context.path("subscribers-inside.db")));
  const auto* log = dynamic_cast<const engine::Log*>(store.get());
  if (log == nullptr) return internal_bug("the store is no engine's log");
  auto api = make_weir_api(store);
  Measured measured;
  const auto before = log->live().reads();
  WEIR_TRY(
      notify_subscribers(*api, context.workload, load_of(context), 1, context.clock, {}, measured));
  const auto reads = static_cast<double>(log->live().reads() - before);
  WEIR_TRY_ASSIGN(head, api->head());
  const auto each = reads / static_cast<double>(head.value);
  return Figures{.raw = 1, .weir = each, .ratio = 1 / each};
}

}  // namespace

std::vector<Case> subscription_cases() {
  return {
      {"1,000 live subscribers, one append: all have it", "ms", 1, all_have_it},
      {"1,000 live subscribers, one append: reads of the store", "reads", 1, store_is_read_once},
  };
}

}  // namespace weir::bench
