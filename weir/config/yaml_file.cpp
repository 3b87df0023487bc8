#include <weir/config/yaml_file.hpp>

#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

namespace weir::config {
namespace {

constexpr std::size_t depth_max = 8;

class Reader {
 public:
  explicit Reader(std::string_view called) : called_(called) {}

  Result<void> map(const YAML::Node& node, const std::string& prefix, std::size_t depth);
  std::vector<FileValue> take() { return std::move(values_); }

 private:
  std::string place_of(const YAML::Node& node) const {
    return fmt::format("{}:{}", called_, node.Mark().line + 1);
  }
  Result<void> value(const YAML::Node& node, FileValue value);

  const std::string_view called_;
  std::vector<FileValue> values_;
  std::set<std::string> seen_;
};

Result<void> Reader::map(const YAML::Node& node, const std::string& prefix, std::size_t depth) {
  for (const auto& entry : node) {
    const auto place = place_of(entry.first);
    if (!entry.first.IsScalar()) return invalid(fmt::format("{}: a name must be a word", place));
    const auto name = prefix + entry.first.Scalar();
    if (!seen_.insert(name).second) {
      return invalid(fmt::format("{}: {}: it is there twice", place, name));
    }
    if (entry.second.IsMap()) {
      if (depth >= depth_max) return invalid(fmt::format("{}: {}: too deep", place, name));
      WEIR_TRY(map(entry.second, name + ".", depth + 1));
    } else {
      WEIR_TRY(value(entry.second, {.name = name, .values = {}, .place = place}));
    }
  }
  return {};
}

Result<void> Reader::value(const YAML::Node& node, FileValue value) {
  if (node.IsScalar()) {
    value.values.push_back(node.Scalar());
  } else if (node.IsSequence()) {
    value.is_list = true;
    for (const auto& element : node) {
      if (!element.IsScalar()) {
        return invalid(
            fmt::format("{}: {}: a list holds single values", place_of(element), value.name));
      }
      value.values.push_back(element.Scalar());
    }
  } else {
    return invalid(fmt::format("{}: {}: it has no value", value.place, value.name));
  }
  values_.push_back(std::move(value));
  return {};
}

}  // namespace

Result<std::vector<FileValue>> parse_yaml(const std::string& text, std::string_view called) {
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      return invalid(
          fmt::format("{}: it holds {} documents, one is expected", called, documents.size()));
    }
    Reader reader(called);
    if (documents.empty() || documents.front().IsNull()) return reader.take();
    if (!documents.front().IsMap()) {
      return invalid(fmt::format("{}:1: 'name: value' is expected", called));
    }
    WEIR_TRY(reader.map(documents.front(), "", 1));
    return reader.take();
  } catch (const YAML::Exception& error) {
    return invalid(fmt::format("{}:{}: not YAML: {}", called, error.mark.line + 1, error.msg));
  }
}

Result<std::vector<FileValue>> read_yaml(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(file_bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open() || (file.fail() && !file.eof())) {
    return Error{.code = Code::not_found,
                 .message = fmt::format("{}: can't be read: {}", path,
                                        std::generic_category().message(errno))};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > file_bytes_max) {
    return invalid(fmt::format("{}: it is larger than {} bytes", path, file_bytes_max));
  }
  return parse_yaml(text, path);
}

}  // namespace weir::config
