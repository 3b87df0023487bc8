#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <apps/weir/settings.hpp>

namespace weir::cli {
namespace {

using Given = std::map<std::string, std::string>;

std::string type_of(config::Kind kind) {
  switch (kind) {
    case config::Kind::number:
    case config::Kind::decimal:
      return "NUMBER";
    case config::Kind::duration:
      return "DURATION";
    case config::Kind::bytes:
      return "SIZE";
    default:
      return "TEXT";
  }
}

CLI::Option* add_switch(CLI::App& app, const config::Setting& setting, Given& given) {
  return app.add_flag_function(
      setting.flag(),
      [&given, name = setting.name()](std::int64_t count) {
        given[name] = count > 0 ? "true" : "false";
      },
      setting.what());
}

CLI::Option* add_value(CLI::App& app, const config::Setting& setting, Given& given) {
  const auto help =
      setting.range().empty() ? setting.what() : setting.what() + ", " + setting.range();
  const auto take = [&given, name = setting.name()](const std::string& text) {
    given[name] = text;
  };
  const auto take_all = [&given, name = setting.name()](const std::vector<std::string>& texts) {
    given[name] = fmt::format("{}", fmt::join(texts, ","));
  };
  auto* option =
      setting.kind() == config::Kind::list
          ? app.add_option_function<std::vector<std::string>>(setting.flag(), take_all, help)
                ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                ->allow_extra_args(false)
          : app.add_option_function<std::string>(setting.flag(), take, help);
  option->type_name(type_of(setting.kind()));
  if (!setting.standard().empty()) option->default_str(setting.standard());
  return option;
}

}  // namespace

void SettingFlags::add_to(Flags& flags) {
  flags.add("--config", file, "YAML file of settings; or WEIR_CONFIG names it").type_name("FILE");
  const ServeConfiguration defaults;
  for (const auto& setting : defaults.list.all()) {
    auto* option = setting.kind() == config::Kind::switch_ ? add_switch(flags.app(), setting, given)
                                                           : add_value(flags.app(), setting, given);
    const auto dot = setting.name().find('.');
    if (dot != std::string::npos) option->group("Settings: " + setting.name().substr(0, dot));
  }
}

}  // namespace weir::cli
