#include <weir/base/uri.hpp>

#include <algorithm>

namespace weir {

std::string without_password(std::string_view uri) {
  std::string out(uri);
  if (const auto scheme = out.find("://"); scheme != std::string::npos) {
    // A password that should have been percent-encoded may hold any of "/?@:".
    const auto colon = out.find(':', scheme + 3);
    const auto at = out.rfind('@');
    if (at != std::string::npos && colon < at) out.replace(colon + 1, at - colon - 1, "***");
  }
  for (auto found = out.find("password="); found != std::string::npos;
       found = out.find("password=", found + 1)) {
    const auto value = found + 9;
    out.replace(value, std::min(out.find_first_of("& ", value), out.size()) - value, "***");
  }
  return out;
}

}  // namespace weir
