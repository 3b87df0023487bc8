#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <apps/weir/output.hpp>
#include <apps/weir/program.hpp>

namespace weir::cli {
namespace {

constexpr const char* exit_codes = R"(Exit codes:
  0  fine
  1  failed
  2  wrong usage, or a value past a limit
  3  the append condition failed: read again and decide again
  4  there is no such log, or token, or whatever was named
  5  the server or store cannot be reached, is overloaded or too slow: try again
  6  the log is damaged
  130  interrupted)";

std::string summary_of(const std::string& group) {
  if (group == "log") return "Logs: list, create";
  if (group == "token") return "Who may do what: create, list, revoke";
  return "Settings: check, print";
}

/// The app of "log list" lies under one named "log", which is made when it is first needed.
CLI::App* add_command(CLI::App& program, const Command& command) {
  const std::string name = command.name;
  const auto space = name.find(' ');
  if (space == std::string::npos) return program.add_subcommand(name, command.summary);
  const auto first = name.substr(0, space);
  const auto groups =
      program.get_subcommands([&](const CLI::App* app) { return app->get_name() == first; });
  auto* group = groups.empty() ? program.add_subcommand(first, summary_of(first)) : groups.front();
  group->require_subcommand(1);
  return group->add_subcommand(name.substr(space + 1), command.summary);
}

void print_remedy(const Error& error, const Program& program) {
  const auto remedy = error.details.find("remedy");
  if (remedy != error.details.end()) {
    tell(program, fmt::format("  {}\n", remedy->second));
  } else if (error.details.contains("server") && !program.target.empty()) {
    tell(program,
         fmt::format("  no server answers at {}: start one with 'weir serve', or work on a store "
                     "directly with --store\n",
                     program.target));
  } else if (error.reason == Reason::log_not_found) {
    tell(program,
         fmt::format("  see which there are with: weir log list{}\n", program.typed_store));
  } else if (error.retry_after) {
    tell(program, fmt::format("  try again in {} ms\n", error.retry_after->count()));
  }
}

/// What was asked for instead of a command.
Result<Exit> print_help(const CLI::App& app, const CLI::Success& asked, Program& program) {
  Output out(program.out);
  if (dynamic_cast<const CLI::CallForVersion*>(&asked) != nullptr) {
    out.write(fmt::format("{}\n", asked.what()));
  } else {
    const bool all = dynamic_cast<const CLI::CallForAllHelp*>(&asked) != nullptr;
    out.write(app.help("", all ? CLI::AppFormatMode::All : CLI::AppFormatMode::Normal));
  }
  return out.finish();
}

/// With what an engine advises as it must be typed to reach the store that was meant.
std::string message_of(const Error& error, const Program& program) {
  const bool advises = error.reason == Reason::log_not_found &&
                       error.message.find("weir log create") != std::string::npos;
  return advises ? error.message + program.typed_store : error.message;
}

Exit exit_with(const Result<Exit>& done, const Program& program) {
  if (done) return done.value();
  tell(program, fmt::format("error: {}\n", message_of(done.error(), program)));
  print_remedy(done.error(), program);
  return exit_of(done.error());
}

}  // namespace

Exit exit_of(const Error& error) {
  switch (error.code) {
    case Code::invalid_argument:
      return Exit::usage;
    case Code::aborted:
      return Exit::condition_failed;
    case Code::not_found:
      return Exit::not_found;
    case Code::unavailable:
    case Code::deadline_exceeded:
    case Code::resource_exhausted:
      return Exit::unavailable;
    case Code::data_loss:
      return Exit::damaged;
    case Code::cancelled:
      return Exit::interrupted;
    default:
      return Exit::failed;
  }
}

Error interrupted() {
  return {.code = Code::cancelled, .message = "interrupted"};
}

std::unique_ptr<CLI::App> define_program(Program& program, Run& chosen) {
  auto app = std::make_unique<CLI::App>("weir: an event store", "weir");
  app->set_version_flag("--version", "weir " WEIR_VERSION);
  app->require_subcommand(1);
  app->footer(exit_codes);
  app->get_formatter()->column_width(34);
  for (const auto& command : commands()) {
    auto* sub = add_command(*app, command);
    Flags flags(*sub);
    sub->callback([&chosen, run = command.define(flags, program)] { chosen = run; });
  }
  return app;
}

Exit run(std::vector<std::string> arguments, Program& program) {
  Run chosen;
  const auto app = define_program(program, chosen);
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app->parse(std::move(arguments));
  } catch (const CLI::Success& done) {
    return exit_with(print_help(*app, done, program), program);
  } catch (const CLI::ParseError& error) {
    tell(program,
         fmt::format("error: {}\n  see: weir --help, weir COMMAND --help\n", error.what()));
    return Exit::usage;
  }
  return exit_with(chosen(), program);
}

}  // namespace weir::cli
