#include <weir/config/settings.hpp>

#include <algorithm>
#include <numeric>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weir/base/assert.hpp>
#include <weir/config/yaml_file.hpp>

namespace weir::config {
namespace {

using Texts = std::vector<std::string>;

/// No more than these are told at once.
constexpr std::size_t errors_told_max = 20;

Result<std::string> single(const Texts& texts) {
  if (texts.size() == 1) return texts.front();
  return invalid("one value is expected, not a list");
}

std::string replaced(std::string text, char what, char by) {
  std::replace(text.begin(), text.end(), what, by);
  return text;
}

std::string upper(std::string text) {
  for (auto& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return text;
}

/// The least number of letters to put in, take out or change.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// All errors as one.
class Errors {
 public:
  void add(const std::string& message) {
    if (++count_ > errors_told_max) return;
    text_ += (text_.empty() ? "" : "\n") + message;
  }
  Result<void> result() const {
    if (count_ == 0) return {};
    if (count_ <= errors_told_max) return invalid(text_);
    return invalid(fmt::format("{}\nand {} more", text_, count_ - errors_told_max));
  }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace

std::string_view name_of(Origin origin) {
  switch (origin) {
    case Origin::standard:
      return "default";
    case Origin::file:
      return "file";
    case Origin::environment:
      return "environment";
    case Origin::flag:
      return "flag";
  }
  return "";
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "text";
    case Kind::number:
      return "number";
    case Kind::decimal:
      return "decimal";
    case Kind::switch_:
      return "true or false";
    case Kind::duration:
      return "duration";
    case Kind::bytes:
      return "size";
    case Kind::choice:
      return "word";
    case Kind::list:
      return "list";
  }
  return "";
}

Setting& Setting::flag(std::string name) {
  flag_ = std::move(name);
  return *this;
}

Setting& Setting::other_variable(std::string name) {
  other_variable_ = std::move(name);
  return *this;
}

Setting& Setting::reloads() {
  reloadable_ = true;
  return *this;
}

Setting& Setting::secret() {
  secret_ = true;
  return *this;
}

Setting& Setting::shown_as(std::function<std::string(const std::string&)> mask) {
  mask_ = std::move(mask);
  return *this;
}

std::string Setting::shown() const {
  if (secret_) return get_().empty() ? "" : "(hidden)";
  return mask_ ? mask_(get_()) : get_();
}

Result<void> Setting::set(const Texts& texts, Origin origin, std::string place) {
  if (const auto done = set_(texts); !done) {
    // What is wrong with a secret would tell it.
    const auto& why = secret_ ? std::string("it is not what it should be") : done.error().message;
    const bool named = place.find(':') != std::string::npos;
    return invalid(named ? fmt::format("{}: {}: {}", place, name_, why)
                         : fmt::format("{}: {}", place, why));
  }
  origin_ = origin;
  place_ = std::move(place);
  return {};
}

Setting& Settings::add(Kind kind, std::string name, std::string what, std::string range,
                       std::function<Result<void>(const Texts&)> set,
                       std::function<std::string()> get) {
  WEIR_ASSERT(find(name) == nullptr);
  auto& setting = all_.emplace_back();
  setting.flag_ = "--" + replaced(replaced(name, '.', '-'), '_', '-');
  setting.variable_ = prefix_ + "_" + upper(replaced(name, '.', '_'));
  setting.name_ = std::move(name);
  setting.what_ = std::move(what);
  setting.range_ = std::move(range);
  setting.kind_ = kind;
  setting.set_ = std::move(set);
  setting.get_ = std::move(get);
  setting.standard_ = setting.get_();
  return setting;
}

Setting& Settings::text(std::string name, std::string& to, std::string what) {
  return add(
      Kind::text, std::move(name), std::move(what), "",
      [&to](const Texts& texts) -> Result<void> {
        WEIR_TRY_ASSIGN(text, single(texts));
        if (text.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
          return invalid("it must be one line");
        }
        to = std::move(text);
        return {};
      },
      [&to] { return to; });
}

Setting& Settings::flag_switch(std::string name, bool& to, std::string what) {
  return add(
      Kind::switch_, std::move(name), std::move(what), "true, false",
      [&to](const Texts& texts) -> Result<void> {
        WEIR_TRY_ASSIGN(text, single(texts));
        WEIR_TRY_ASSIGN(value, parse_switch(text));
        to = value;
        return {};
      },
      [&to] { return std::string(to ? "true" : "false"); });
}

Setting& Settings::choice(std::string name, std::string& to, Texts words, std::string what) {
  auto range = fmt::format("{}", fmt::join(words, ", "));
  return add(
      Kind::choice, std::move(name), std::move(what), range,
      [&to, words = std::move(words), range](const Texts& texts) -> Result<void> {
        WEIR_TRY_ASSIGN(text, single(texts));
        if (std::find(words.begin(), words.end(), text) == words.end()) {
          return invalid(fmt::format("'{}' is none of {}", text, range));
        }
        to = std::move(text);
        return {};
      },
      [&to] { return to; });
}

Setting& Settings::list(std::string name, Texts& to, std::string what) {
  return add(
      Kind::list, std::move(name), std::move(what), "",
      [&to](const Texts& texts) -> Result<void> {
        to = texts;
        return {};
      },
      [&to] { return fmt::format("{}", fmt::join(to, ",")); });
}

Setting& Settings::decimal(std::string name, double& to, double min, double max, std::string what) {
  return add(
      Kind::decimal, std::move(name), std::move(what), fmt::format("{} to {}", min, max),
      [&to, min, max](const Texts& texts) -> Result<void> {
        WEIR_TRY_ASSIGN(text, single(texts));
        WEIR_TRY_ASSIGN(value, parse_decimal(text));
        if (value < min || value > max) {
          return invalid(fmt::format("{} is not from {} to {}", text, min, max));
        }
        to = value;
        return {};
      },
      [&to] { return fmt::format("{}", to); });
}

Setting& Settings::duration(std::string name, std::chrono::milliseconds& to,
                            std::chrono::milliseconds min, std::chrono::milliseconds max,
                            std::string what) {
  const auto low = format_duration(min), high = format_duration(max);
  return add(
      Kind::duration, std::move(name), std::move(what), fmt::format("{} to {}", low, high),
      [&to, min, max, low, high](const Texts& texts) -> Result<void> {
        WEIR_TRY_ASSIGN(text, single(texts));
        WEIR_TRY_ASSIGN(value, parse_duration(text));
        if (value < min || value > max) {
          return invalid(fmt::format("{} is not from {} to {}", text, low, high));
        }
        to = value;
        return {};
      },
      [&to] { return format_duration(to); });
}

Setting& Settings::whole(Kind kind, std::string name, std::uint64_t min, std::uint64_t max,
                         std::string what, std::function<void(std::uint64_t)> set,
                         std::function<std::uint64_t()> get) {
  const auto parse = kind == Kind::bytes ? parse_bytes : parse_whole;
  const auto format = [kind](std::uint64_t value) {
    return kind == Kind::bytes ? format_bytes(value) : fmt::format("{}", value);
  };
  const auto low = format(min), high = format(max);
  return add(
      kind, std::move(name), std::move(what), fmt::format("{} to {}", low, high),
      [=, set = std::move(set)](const Texts& texts) -> Result<void> {
        WEIR_TRY_ASSIGN(text, single(texts));
        WEIR_TRY_ASSIGN(value, parse(text));
        if (value < min || value > max) {
          return invalid(fmt::format("{} is not from {} to {}", text, low, high));
        }
        set(value);
        return {};
      },
      [format, get = std::move(get)] { return format(get()); });
}

const Setting* Settings::find(std::string_view name) const {
  for (const auto& setting : all_) {
    if (setting.name_ == name) return &setting;
  }
  return nullptr;
}

Result<void> Settings::read_file(const std::string& path) {
  WEIR_TRY_ASSIGN(values, config::read_yaml(path));
  return apply(values);
}

Result<void> Settings::read_yaml(const std::string& text, std::string_view called) {
  WEIR_TRY_ASSIGN(values, parse_yaml(text, called));
  return apply(values);
}

Error Settings::unknown(const FileValue& value) const {
  Texts names;
  for (const auto& setting : all_) names.push_back(setting.name_);
  auto message = fmt::format("{}: {}: there is no such setting", value.place, value.name);
  if (const auto meant = nearest(value.name, names)) message += "; did you mean " + *meant + "?";
  return invalid(std::move(message));
}

Result<void> Settings::apply(const std::vector<FileValue>& values) {
  Errors errors;
  for (const auto& value : values) {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const Setting& setting) {
      return setting.name_ == value.name;
    });
    if (found == all_.end()) {
      errors.add(unknown(value).message);
    } else if (value.is_list && found->kind_ != Kind::list) {
      errors.add(fmt::format("{}: {}: one value is expected, not a list", value.place, value.name));
    } else if (const auto set = found->set(value.values, Origin::file, value.place); !set) {
      errors.add(set.error().message);
    }
  }
  return errors.result();
}

namespace {

/// "a, b" as "a" and "b".
Texts texts_of(Kind kind, const std::string& text) {
  if (kind != Kind::list) return {text};
  Texts out;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    auto part = std::string_view(text).substr(at, comma - at);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) out.emplace_back(part);
    at = comma + 1;
  }
  return out;
}

}  // namespace

Result<void> Settings::read_environment(const Lookup& lookup) {
  Errors errors;
  for (auto& setting : all_) {
    for (const auto& variable : {setting.other_variable_, setting.variable_}) {
      const auto text = variable.empty() ? std::nullopt : lookup(variable.c_str());
      if (!text || text->empty()) continue;
      const auto set = setting.set(texts_of(setting.kind_, *text), Origin::environment, variable);
      if (!set) errors.add(set.error().message);
    }
  }
  return errors.result();
}

namespace {

/// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
bool is_of_kubernetes(const Settings::Variable& variable) {
  static const std::regex service("_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$");
  static const std::regex port("_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$");
  static const std::regex link("^(tcp|udp|sctp)://");
  if (std::regex_search(variable.name, service)) return true;
  std::smatch found;
  if (!std::regex_search(variable.name, found, port)) return false;
  // A name that ends with _PORT alone could be a mistake.
  return found[1].matched || std::regex_search(variable.value, link);
}

}  // namespace

std::vector<std::string> Settings::unknown_variables(const std::vector<Variable>& environment,
                                                     const Texts& others) const {
  Texts known = others;
  for (const auto& setting : all_) known.push_back(setting.variable_);
  Texts out;
  for (const auto& variable : environment) {
    if (!variable.name.starts_with(prefix_ + "_") || is_of_kubernetes(variable)) continue;
    if (std::find(known.begin(), known.end(), variable.name) != known.end()) continue;
    auto line = variable.name + ": there is no such setting";
    if (const auto meant = nearest(variable.name, known)) line += "; did you mean " + *meant + "?";
    out.push_back(std::move(line));
  }
  return out;
}

Result<void> Settings::read_flags(const std::map<std::string, std::string>& by_name) {
  Errors errors;
  for (auto& setting : all_) {
    const auto given = by_name.find(setting.name_);
    if (given == by_name.end()) continue;
    const auto set =
        setting.set(texts_of(setting.kind_, given->second), Origin::flag, setting.flag_);
    if (!set) errors.add(set.error().message);
  }
  return errors.result();
}

std::vector<const Setting*> changed(const Settings& before, const Settings& now) {
  WEIR_ASSERT(before.all().size() == now.all().size());
  std::vector<const Setting*> out;
  for (std::size_t i = 0; i < now.all().size(); ++i) {
    if (before.all()[i].value() != now.all()[i].value()) out.push_back(&now.all()[i]);
  }
  return out;
}

std::optional<std::string> nearest(std::string_view name, const Texts& names) {
  std::optional<std::string> best;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : names) {
    auto far = distance(name, candidate);
    // The right word in the wrong place is near.
    const auto last = candidate.substr(candidate.rfind('.') + 1);
    if (name.substr(name.rfind('.') + 1) == last) far = std::min<std::size_t>(far, 2);
    if (far >= least) continue;
    least = far;
    best = candidate;
  }
  return best;
}

}  // namespace weir::config
