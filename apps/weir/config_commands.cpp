#include <fmt/format.h>

#include <weir/base/json.hpp>

#include <apps/weir/output.hpp>
#include <apps/weir/settings.hpp>

namespace weir::cli {
namespace {

Result<Exit> check(const std::string& file, Program& program) {
  WEIR_TRY_ASSIGN(configuration, ServeConfiguration::load_file(file));
  std::size_t set = 0;
  for (const auto& setting : configuration->list.all()) {
    if (setting.origin() == config::Origin::file) ++set;
  }
  Output out(program.out);
  out.write(fmt::format("{}: fine, {} of {} settings are set\n", file, set,
                        configuration->list.all().size()));
  WEIR_TRY(out.finish());
  for (const auto& line : configuration->unknown_variables(program)) {
    tell(program, fmt::format("warning: {}\n", line));
  }
  return Exit::fine;
}

std::string to_json(const config::Settings& settings) {
  std::string out = "{";
  for (const auto& setting : settings.all()) {
    if (out.size() > 1) out += ",";
    out += "\n  ";
    append_json_string(out, setting.name());
    out += ": {\"value\": ";
    append_json_string(out, setting.shown());
    out += fmt::format(", \"from\": \"{}\", \"place\": ", name_of(setting.origin()));
    append_json_string(out, setting.place());
    out += "}";
  }
  return out + "\n}\n";
}

Result<Exit> print(const SettingFlags& flags, bool json, Program& program) {
  WEIR_TRY_ASSIGN(configuration, ServeConfiguration::load(flags, program));
  Output out(program.out);
  if (json) {
    out.write(to_json(configuration->list));
    return out.finish();
  }
  for (const auto& setting : configuration->list.all()) {
    const auto shown = setting.shown();
    out.write(fmt::format("{:<34} {:<32} {}\n", setting.name(), shown.empty() ? "-" : shown,
                          setting.place()));
  }
  return out.finish();
}

}  // namespace

Run define_config_check(Flags& flags, Program& program) {
  auto file = std::make_shared<std::string>();
  flags.add("file", *file, "The YAML file").required();
  flags.footer(
      "Looks at the file alone; of the environment only at the names of variables WEIR_..., and "
      "warns of those that no setting has.");
  return [file, &program] { return check(*file, program); };
}

Run define_config_print(Flags& flags, Program& program) {
  struct Options {
    SettingFlags flags;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  flags.add("--json", options->json, "Print a JSON object");
  options->flags.add_to(flags);
  flags.footer(
      "What 'weir serve' would take from its file, the environment and these flags, and "
      "where each value comes from. Secrets are not shown.");
  return [options, &program] { return print(options->flags, options->json, program); };
}

}  // namespace weir::cli
