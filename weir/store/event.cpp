#include <weir/store/event.hpp>

#include <algorithm>
#include <cctype>

#include <weir/base/json.hpp>

namespace weir {

Event&& Event::json(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members) && {
  data = "{";
  for (const auto& [key, value] : members) {
    if (data.size() > 1) data += ',';
    append_json_string(data, key);
    data += ':';
    append_json_string(data, value);
  }
  data += '}';
  return std::move(*this);
}

bool is_json(std::string_view content_type) {
  if (content_type.empty()) return true;
  auto media = content_type.substr(0, content_type.find(';'));
  while (!media.empty() && media.back() == ' ') media.remove_suffix(1);
  const auto equal = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  };
  const std::string_view plus = "+json";
  if (media.size() > plus.size() &&
      std::equal(media.end() - static_cast<std::ptrdiff_t>(plus.size()), media.end(), plus.begin(),
                 equal)) {
    return true;
  }
  return std::equal(media.begin(), media.end(), default_content_type.begin(),
                    default_content_type.end(), equal);
}

}  // namespace weir
