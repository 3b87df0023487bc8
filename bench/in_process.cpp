#include <bench/in_process.hpp>

namespace weir::bench {

Result<double> conditional_appends(Api& api, Callers callers, const Context& context) {
  WEIR_TRY_ASSIGN(head, api.head());
  // Other tags and choices in each round.
  auto workload = context.workload;
  workload.seed += head.value;
  Appends appends(api, workload, callers.clients, {.condition = true}, head);
  const Load load{.clients = callers.clients,
                  .warm_up = std::chrono::duration<double>(0.1),
                  .seconds = context.seconds()};
  Measured measured;
  if (callers.blocking) {
    WEIR_TRY(drive_blocking(
        load, [&](std::size_t client) { return appends.run(client); }, context.clock, {},
        measured));
  } else {
    WEIR_TRY(drive(
        load,
        [&](std::size_t client, Done<Outcome> done) { appends.begin(client, std::move(done)); },
        context.clock, {}, measured));
  }
  return measured.events_per_second();
}

Result<Figures> compare_appends(const std::shared_ptr<EventStore>& raw,
                                const std::shared_ptr<EventStore>& weir, const Context& context) {
  auto api_raw = make_weir_api(raw);
  auto api_weir = make_weir_api(weir);
  return alternate(
      context.rounds() * 2, [&] { return conditional_appends(*api_raw, {}, context); },
      [&] { return conditional_appends(*api_weir, {}, context); });
}

Filler::Filler(const Context& context, std::uint64_t events)
    : maker_(context.workload, 5), every_(events / 2500) {}

std::vector<Event> Filler::next(std::size_t count) {
  std::vector<Event> events;
  events.reserve(count);
  for (std::size_t i = 0; i < count; ++i, ++made_) {
    events.push_back(made_ % every_ == 0 ? maker_.in_boundary(made_ / every_ % 100)
                                         : maker_.next());
  }
  return events;
}

Result<void> fill(EventStore& store, std::uint64_t events, const Context& context) {
  Filler filler(context, events);
  for (std::uint64_t i = 0; i < events; i += 1000) {
    WEIR_TRY(store.append({.events = filler.next(1000)}));
  }
  return {};
}

}  // namespace weir::bench
