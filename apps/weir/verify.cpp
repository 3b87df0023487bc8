#include <fmt/format.h>

#include <weir/base/json.hpp>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>
#include <apps/weir/progress.hpp>
#include <apps/weir/verifier.hpp>

namespace weir::cli {
namespace {

struct Options {
  StoreOptions store;
  bool json = false;
};

/// Prints what is found, as it is found.
class Report {
 public:
  Report(const Options& options, Program& program)
      : json_(options.json), out_(program.out), progress_(program, "verifying", "events") {}

  void damage(std::string what) {
    progress_.clear();
    ++damages_;
    // Some errors advise to run this very command.
    what = what.substr(0, what.find("; run 'weir verify'"));
    std::string line = "damaged: " + what + "\n";
    if (json_) {
      line = "{\"damage\":";
      append_json_string(line, what);
      line += "}\n";
    }
    out_.write(line);
  }
  bool damaged() const { return damages_ > 0; }
  void progress(std::uint64_t done, std::uint64_t all) { progress_.show(done, all); }

  Result<Exit> finish(const Verified& verified) {
    progress_.clear();
    const auto terms = verified.every_term ? "all" : "a sample of";
    const auto past_limits =
        verified.terms_past_limits ? " but those past the server's limits" : "";
    if (json_) {
      out_.write(fmt::format("{{\"events\":{},\"terms\":{},\"everyTerm\":{},\"damages\":{}}}\n",
                             verified.events, verified.terms,
                             verified.every_term && !verified.terms_past_limits, damages_));
    } else {
      out_.write(fmt::format(
          "{} events read, {} {} index terms{} compared: {}\n", verified.events, terms,
          verified.terms, past_limits,
          damages_ == 0 ? std::string("no damage") : fmt::format("{} damages found", damages_)));
    }
    return out_.finish(damages_ == 0 ? Exit::fine : Exit::damaged);
  }

 private:
  const bool json_;
  Output out_;
  Progress progress_;
  std::uint64_t damages_ = 0;
};

Result<Exit> verify(const Options& options, Program& program) {
  Report report(options, program);
  const auto on_damage = [&](const std::string& what) { report.damage(what); };
  // First, as it can tell what is wrong with a store that does not open.
  if (options.store.in_process() && program.verify_engine) {
    WEIR_TRY(program.verify_engine(options.store.store, options.store.log, on_damage));
  }
  const auto store = options.store.open(program);
  if (!store) {
    // What keeps it from opening has been told.
    if (report.damaged()) return report.finish({});
    return store.error();
  }
  WEIR_TRY_ASSIGN(
      verified,
      verify_log(**store, {// What is in the log an engine can be asked for, whatever
                           // was allowed when it came; a server has limits of its own.
                           .limits = options.store.in_process() ? &umadb_limits() : nullptr,
                           .on_damage = on_damage,
                           .on_progress = [&](std::uint64_t done, std::uint64_t all) {
                             report.progress(done, all);
                           }}));
  return report.finish(verified);
}

}  // namespace

Run define_verify(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("--json", options->json, "Print a JSON object for each finding and one at the end");
  options->store.add_to(flags);
  flags.footer(
      "Reads the whole log. With --store the engine also checks each event's checksum, and\n"
      "SQLite its file and index. Exit code 6 when anything is damaged.");
  return [options, &program] { return verify(*options, program); };
}

}  // namespace weir::cli
