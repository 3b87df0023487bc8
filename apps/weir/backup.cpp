#include <fmt/format.h>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/progress.hpp>

namespace weir::cli {
namespace {

struct Options {
  StoreOptions store;
  std::string destination;
  bool json = false;
};

Result<Exit> backup(const Options& options, Program& program) {
  if (!program.backup) {
    return Error{.code = Code::unimplemented,
                 .reason = Reason::not_supported,
                 .message = "this build has no engine that can make a backup"};
  }
  const auto& store = options.store;
  const bool pages = store.store.starts_with("sqlite:");
  program.target = store.in_process() ? "" : store.target;
  program.typed_store = store.typed_place();
  remote::Credentials credentials;
  if (!store.in_process()) {
    WEIR_TRY_ASSIGN(read, store.read_credentials(program));
    credentials = std::move(read);
  }
  Progress progress(program, "copying", pages ? "pages" : "events");
  const auto done =
      program.backup({.store = store.in_process() ? store.store : "weir://" + store.target,
                      .credentials = std::move(credentials),
                      .log = store.log,
                      .destination = options.destination,
                      .on_progress = [&](auto copied, auto all) { progress.show(copied, all); }});
  progress.clear();
  if (!done) return done.error();
  Output out(program.out);
  out.write(options.json
                ? fmt::format("{{\"bytes\":{}}}\n", done.value().bytes)
                : fmt::format("wrote {} bytes to {}\n", done.value().bytes, options.destination));
  return out.finish();
}

}  // namespace

Run define_backup(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("destination", options->destination, "File to write; must not exist").required();
  options->store.add_to(flags);
  flags.footer(
      "Copies one log, as it is at one moment, into a new SQLite file that is a store by\n"
      "itself. The log may be in use. Of a log on PostgreSQL or on a server the events are\n"
      "copied, with their positions and times, but not snapshots and idempotency keys.");
  flags.add("--json", options->json, "Print a JSON object");
  return [options, &program] { return backup(*options, program); };
}

}  // namespace weir::cli
