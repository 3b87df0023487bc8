// Calls a bank that is sometimes away, through a pipeline. Nothing waits here: the time is a fake
// one. The parts between [name] and [/name] are those of docs/resilience.md.
#include <cstdio>
#include <memory>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <weir/resilience/pipeline/awaitable.hpp>
#include <weir/resilience/registry/registry.hpp>
#include <weir/resilience/testing/description.hpp>
#include <weir/resilience/testing/fake_time.hpp>

using namespace std::chrono_literals;
using namespace weir::resilience;
using weir::Error;
using weir::Result;

namespace {

struct Receipt {
  int number;
};

/// Away for its first calls.
struct Bank {
  int away_for;
  int calls = 0;

  Result<Receipt> charge(std::optional<weir::Instant>) {
    if (++calls <= away_for) return weir::unavailable("the bank is away");
    return Receipt{calls};
  }
};

int failed(const Error& error) {
  std::fprintf(stderr, "error: %s\n", weir::to_string(error).c_str());
  return 1;
}

// [listener]
struct Printer : Listener {
  void on_event(const Event& event) noexcept override {
    std::printf("%.*s by %.*s\n", static_cast<int>(name_of(event.kind).size()),
                name_of(event.kind).data(), static_cast<int>(event.strategy.size()),
                event.strategy.data());
  }
};
// [/listener]

int pay(FakeTime& time) {
  Bank bank{.away_for = 2};
  // [pipeline]
  auto pipeline = weir::resilience::pipeline("payments")
                      .timeout({.after = 30s})
                      .retry({.attempts_max = 3, .delay = 1s, .delay_max = 30s})
                      .circuit_breaker({.failure_ratio = 0.5, .calls_min = 5, .open_for = 60s})
                      .listener(std::make_shared<Printer>())
                      .time(time, time)  // only here, and in tests
                      .build();
  if (!pipeline) return failed(pipeline.error());  // names the option and its range

  Result<Receipt> paid =
      pipeline->run([&](Context& context) { return bank.charge(context.deadline()); });
  // [/pipeline]
  if (!paid) return failed(paid.error());
  std::printf("paid, receipt %d\n%s", paid->number, to_string(describe(*pipeline)).c_str());
  return 0;
}

int handle_values_and_fall_back() {
  // [handled]
  auto pipeline =
      weir::resilience::pipeline("quotes")
          .fallback<int>({.action = [](const Outcome&, Context&) { return Result<int>(100); }})
          .retry({.attempts_max = 2,
                  .delay = 0s,
                  .handled = {.errors = transient,
                              .exceptions = exception_is<std::runtime_error>(),
                              .values = value_where<int>([](int quote) { return quote < 0; })}})
          .build();
  // [/handled]
  if (!pipeline) return failed(pipeline.error());
  auto quote = pipeline->run([]() -> Result<int> { return weir::unavailable("closed"); });
  std::printf("quote %d\n", quote.value());
  return 0;
}

int reload() {
  // [registry]
  auto registry = Registry::create({}).value();
  auto pipeline = registry->add(weir::resilience::pipeline("search").bulkhead({.permits = 10}));
  if (!pipeline) return failed(pipeline.error());
  // Later; calls under way keep their permits, an open circuit stays open.
  auto reloaded = registry->reload(weir::resilience::pipeline("search").bulkhead({.permits = 20}));
  if (!reloaded) return failed(reloaded.error());  // and nothing has changed
  // [/registry]
  std::printf("%s", to_string(describe(*pipeline)).c_str());
  return 0;
}

// [coroutine]
boost::asio::awaitable<void> look_up(Pipeline pipeline) {
  Result<std::string> found = co_await pipeline.run(
      [](Context&) -> boost::asio::awaitable<std::string> { co_return "Dune"; });
  std::printf("found %s\n", found ? found->c_str() : found.error().message.c_str());
}
// [/coroutine]

int await() {
  // [preset]
  auto pipeline = weir::resilience::pipeline("catalogue").preset(production).build();
  // [/preset]
  if (!pipeline) return failed(pipeline.error());
  boost::asio::io_context io;
  boost::asio::co_spawn(io, look_up(*pipeline), boost::asio::detached);
  io.run();
  return 0;
}

}  // namespace

int main() {
  FakeTime time;
  if (const int code = pay(time)) return code;
  if (const int code = handle_values_and_fall_back()) return code;
  if (const int code = reload()) return code;
  return await();
}
