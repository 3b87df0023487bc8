#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <apps/weir/output.hpp>
#include <apps/weir/program.hpp>

namespace weir::cli {
namespace {

struct Words {
  std::string command;  ///< "read", "log create", or empty for the program
  std::vector<const CLI::App*> subcommands;
  std::vector<const CLI::Option*> options;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Words>& all) {
  Words words{.command = path};
  for (const auto* option : app.get_options()) {
    if (!option->get_lnames().empty()) words.options.push_back(option);
  }
  words.subcommands = app.get_subcommands([](const CLI::App*) { return true; });
  all.push_back(words);
  for (const auto* sub : words.subcommands) {
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), all);
  }
}

std::string names_of(const Words& words) {
  std::string out;
  for (const auto* sub : words.subcommands) out += sub->get_name() + " ";
  for (const auto* option : words.options) out += "--" + option->get_lnames().front() + " ";
  if (!out.empty()) out.pop_back();
  return out;
}

/// Bash and zsh look the words up by the command that stands before the cursor.
std::string cases_of(const std::vector<Words>& all) {
  std::string out;
  for (const auto& words : all) {
    out += fmt::format("    '{}') choices='{}' ;;\n", words.command, names_of(words));
  }
  return out;
}

std::string bash(const std::vector<Words>& all) {
  return "# bash completion for weir: source <(weir completion bash)\n"
         "_weir() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} command='' choices='' word\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    [[ $word == -* ]] && break\n"
         "    command=\"${command:+$command }$word\"\n"
         "  done\n"
         "  case \"$command\" in\n" +
         cases_of(all) +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$choices\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _weir weir\n";
}

std::string zsh(const std::vector<Words>& all) {
  return "#compdef weir\n"
         "# zsh completion for weir: source <(weir completion zsh)\n"
         "_weir() {\n"
         "  local command='' choices='' word\n"
         "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
         "    [[ $word == -* ]] && break\n"
         "    command=\"${command:+$command }$word\"\n"
         "  done\n"
         "  case \"$command\" in\n" +
         cases_of(all) +
         "  esac\n"
         "  compadd -- ${=choices} || _files\n"
         "}\n"
         "compdef _weir weir\n";
}

std::string fish_quoted(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'' || text[i] == '\\') text.insert(i++, 1, '\\');
  }
  return "'" + text + "'";
}

std::string fish(const std::vector<Words>& all) {
  std::string out = "# fish completion for weir: weir completion fish | source\n";
  for (const auto& words : all) {
    std::string when = "__fish_use_subcommand";
    if (!words.command.empty()) {
      when = "string match -rq -- ^weir\\\\s+" + words.command + "\\\\b (commandline -pc)";
      if (const auto space = words.command.find(' '); space != std::string::npos) {
        when = "string match -rq -- ^weir\\\\s+" + words.command.substr(0, space) + "\\\\s+" +
               words.command.substr(space + 1) + "\\\\b (commandline -pc)";
      }
    }
    const auto add = [&](const std::string& what, const std::string& about) {
      out += fmt::format("complete -c weir -n '{}' {} -d {}\n", when, what, fish_quoted(about));
    };
    for (const auto* sub : words.subcommands) {
      add("-f -a " + sub->get_name(), sub->get_description());
    }
    for (const auto* option : words.options) {
      add("-l " + option->get_lnames().front(), option->get_description());
    }
  }
  return out;
}

Result<Exit> completion(const std::string& shell, Program& program) {
  Run ignored;
  const auto app = define_program(program, ignored);
  std::vector<Words> all;
  collect(*app, "", all);
  Output out(program.out);
  out.write(shell == "bash" ? bash(all) : shell == "zsh" ? zsh(all) : fish(all));
  return out.finish();
}

}  // namespace

Run define_completion(Flags& flags, Program& program) {
  auto shell = std::make_shared<std::string>();
  flags.add("shell", *shell, "bash, zsh or fish").required().one_of({"bash", "zsh", "fish"});
  return [shell, &program] { return completion(*shell, program); };
}

}  // namespace weir::cli
