#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/open.hpp>
#include <weir/store/event_store.hpp>
#include <weir/telemetry/api/telemetry.hpp>

#include <apps/weir/flags.hpp>

namespace weir::cli {

/// What the program's exit code says. The same for every command; `weir --help` lists them.
enum class Exit : int {
  fine = 0,
  failed = 1,
  usage = 2,
  condition_failed = 3,
  not_found = 4,
  unavailable = 5,
  damaged = 6,
  interrupted = 130,  ///< as shells say of a program that SIGINT ended
};

/// The exit code that goes with an error.
Exit exit_of(const Error& error);

/// What a command answers with when Program::interrupted() told it to end before its work was done.
Error interrupted();

/// Told how far something long has come.
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t all)>;
/// Told of each thing that is damaged, as a sentence.
using OnDamage = std::function<void(const std::string& damage)>;

struct BackupRequest {
  /// The store, as given to --store, or "weir://HOST:PORT" of a server.
  std::string store;
  /// For a server.
  remote::Credentials credentials = {};
  std::string log;
  /// The file to write. Must not exist.
  std::string destination;
  OnProgress on_progress;
};

struct BackupDone {
  std::uint64_t bytes = 0;
};

/// What a command works with: the outside world as a value, so that tests can be it.
/// Threads: one command at a time.
struct Program {
  std::FILE* in = stdin;
  std::FILE* out = stdout;
  std::FILE* err = stderr;
  const Clock* clock = &system_clock();

  /// Opens "sqlite:PATH", "postgres://..." or "weir://HOST:PORT": see weir::open_catalog().
  std::function<Result<std::shared_ptr<Catalog>>(const std::string& uri, const OpenOptions&)>
      open_catalog;
  /// Told what the stores do that open_catalog opens from now on. Default: nobody.
  StoreObserver* observer = nullptr;
  /// What their statements are reported with, and whether with their texts.
  telemetry::Telemetry telemetry = {};
  bool statement_text = false;
  /// A token that fires when the user wants the command to end (SIGINT, SIGTERM). From the first
  /// call on, these signals no longer end the process by themselves.
  std::function<std::stop_token()> interrupted = [] { return std::stop_token(); };
  /// How many hang-ups (SIGHUP) there have been since the first call; from then on they no longer
  /// end the process.
  std::function<std::uint64_t()> hangups = [] { return std::uint64_t{0}; };
  /// The environment. Default: no variable is set.
  std::function<std::optional<std::string>(const char* name)> environment = [](const char*) {
    return std::nullopt;
  };
  /// All of it, as NAME=VALUE, for finding names that nobody looks up.
  std::function<std::vector<std::string>()> whole_environment = [] {
    return std::vector<std::string>();
  };
  /// Copies a log while it is in use. Absent: no engine here can.
  std::function<Result<BackupDone>(const BackupRequest&)> backup;
  /// What an engine itself can tell of damage below the events (pages, checksums, index), of the
  /// store and log given. Absent: `verify` looks at the events alone.
  std::function<Result<void>(const std::string& store, const std::string& log, const OnDamage&)>
      verify_engine;

  /// Where the command's server is, once it is known; for advice when it cannot be reached.
  std::string target;
  /// The options that say where the command's log is, as they were typed; for advice.
  std::string typed_store;
};

/// Does what a command's options say.
using Run = std::function<Result<Exit>()>;

/// A command of the program. `define` adds its options and returns what runs them; it keeps
/// references to both arguments, which outlive the run.
struct Command {
  /// One word, or two: "log list".
  const char* name;
  const char* summary;
  Run (*define)(Flags& flags, Program& program);
};

/// All commands, in the order in which --help shows them.
const std::vector<Command>& commands();

/// Defines the program's command line. `chosen` is set when it is parsed.
std::unique_ptr<CLI::App> define_program(Program& program, Run& chosen);

/// Parses the arguments (without the program's name) and runs the command. Errors go to
/// program.err.
Exit run(std::vector<std::string> arguments, Program& program);

// One file each.
Run define_serve(Flags& flags, Program& program);
Run define_append(Flags& flags, Program& program);
Run define_read(Flags& flags, Program& program);
Run define_tail(Flags& flags, Program& program);
Run define_head(Flags& flags, Program& program);
Run define_import(Flags& flags, Program& program);
Run define_export(Flags& flags, Program& program);
Run define_verify(Flags& flags, Program& program);
Run define_backup(Flags& flags, Program& program);
Run define_bench(Flags& flags, Program& program);
Run define_log_list(Flags& flags, Program& program);
Run define_log_create(Flags& flags, Program& program);
Run define_config_check(Flags& flags, Program& program);
Run define_config_print(Flags& flags, Program& program);
Run define_token_create(Flags& flags, Program& program);
Run define_token_list(Flags& flags, Program& program);
Run define_token_revoke(Flags& flags, Program& program);
Run define_completion(Flags& flags, Program& program);

}  // namespace weir::cli
