#include <apps/weir/event_text.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

struct Options {
  StoreOptions store;
  ReadOptions read;
  bool json = false;
};

Result<Exit> read(const Options& options, Program& program) {
  WEIR_TRY_ASSIGN(request, options.read.request());
  WEIR_TRY_ASSIGN(store, options.store.open(program));
  const auto style = style_for(program.out, options.json);
  Output out(program.out);
  auto stream = store->read(std::move(request));
  while (true) {
    WEIR_TRY_ASSIGN(step, stream.next());
    if (!step || !out.write(to_text(step->batch, style))) break;
  }
  return out.finish();
}

}  // namespace

Run define_read(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  options->read.add_to(flags);
  flags.add("--json", options->json, "Print NDJSON, as weir export does");
  options->store.add_to(flags);
  return [options, &program] { return read(*options, program); };
}

}  // namespace weir::cli
