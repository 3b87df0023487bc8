#include <weir/config/reference.hpp>

#include <fmt/format.h>

namespace weir::config {
namespace {

std::string group_of(const Setting& setting) {
  const auto dot = setting.name().find('.');
  return dot == std::string::npos ? "General" : setting.name().substr(0, dot);
}

std::string code(const std::string& text) {
  return text.empty() ? "" : "`" + text + "`";
}

}  // namespace

std::string reference(const Settings& settings, const std::string& introduction) {
  auto out = introduction;
  std::string group;
  for (const auto& setting : settings.all()) {
    if (const auto own = group_of(setting); own != group) {
      group = own;
      out += fmt::format(
          "\n## {}\n\n| setting | type, range | default | variable, flag | |\n"
          "|---|---|---|---|---|\n",
          group);
    }
    auto type = std::string(name_of(setting.kind()));
    if (setting.kind() == Kind::choice) {
      type = setting.range();
    } else if (!setting.range().empty() && setting.kind() != Kind::switch_) {
      type += ", " + setting.range();
    }
    out += fmt::format("| {} | {} | {} | {} {} | {}{}{} |\n", code(setting.name()), type,
                       code(setting.standard()), code(setting.variable()), code(setting.flag()),
                       setting.what(), setting.is_secret() ? ". Never shown" : "",
                       setting.is_reloadable() ? ". *Reloads*" : "");
  }
  return out;
}

}  // namespace weir::config
