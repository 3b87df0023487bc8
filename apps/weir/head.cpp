#include <fmt/format.h>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

struct Options {
  StoreOptions store;
  bool json = false;
};

Result<Exit> head(const Options& options, Program& program) {
  WEIR_TRY_ASSIGN(store, options.store.open(program));
  WEIR_TRY_ASSIGN(position, store->head(options.store.call(program)));
  Output out(program.out);
  // A log's name needs no escaping: see check_log_name().
  out.write(options.json
                ? fmt::format("{{\"log\":\"{}\",\"head\":{}}}\n", options.store.log, position.value)
                : fmt::format("{}\n", position.value));
  return out.finish();
}

}  // namespace

Run define_head(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("--json", options->json, "Print a JSON object");
  options->store.add_to(flags);
  return [options, &program] { return head(*options, program); };
}

}  // namespace weir::cli
