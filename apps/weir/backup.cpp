#include <fmt/format.h>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/progress.hpp>

namespace weir::cli {
namespace {

struct Options {
  std::string store, destination;
  bool json = false;
};

Result<Exit> backup(const Options& options, Program& program) {
  if (!program.backup) {
    return Error{.code = Code::unimplemented,
                 .reason = Reason::not_supported,
                 .message = "this build has no engine that can make a backup"};
  }
  Progress progress(program, "copying", "pages");
  const auto done =
      program.backup({.store = options.store,
                      .destination = options.destination,
                      .on_progress = [&](auto copied, auto all) { progress.show(copied, all); }});
  progress.clear();
  if (!done) return done.error();
  Output out(program.out);
  out.write(options.json ? fmt::format("{{\"bytes\":{}}}\n", done.value().bytes)
                         : fmt::format("wrote {} bytes to {}\n", done.value().bytes,
                                       options.destination));
  return out.finish();
}

}  // namespace

Run define_backup(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  app.add_option("destination", options->destination, "File to write; must not exist")->required();
  app.add_option("--store", options->store,
                 "The store to copy: sqlite:PATH or postgres://...; it may be in use")
      ->required();
  app.add_flag("--json", options->json, "Print a JSON object");
  return [options, &program] { return backup(*options, program); };
}

}  // namespace weir::cli
