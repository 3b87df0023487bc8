#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <weir/gateway/path_template.hpp>

/// The first line is a template, the rest a path. A template reads itself back as OpenAPI shows it,
/// and binds all of its variables or none.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = text.substr(0, text.find('\n'));
  const auto made = weir::gateway::PathTemplate::parse(line);
  if (!made) return 0;
  if (made->simple().empty() || made->more_specific_than(*made)) std::abort();
  const auto path = text.substr(std::min(line.size() + 1, text.size()));
  const auto bindings = made->match(path);
  if (bindings && bindings->size() != made->variables().size()) std::abort();
  return 0;
}
