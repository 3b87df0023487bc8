#pragma once

#include <string>

#include <weir/config/settings.hpp>

namespace weir::config {

/// The settings as tables of Markdown, one for each first name ("http"), with the names of
/// variables and flags, ranges and defaults. `introduction` comes first.
std::string reference(const Settings& settings, const std::string& introduction);

}  // namespace weir::config
