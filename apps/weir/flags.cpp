#include <apps/weir/flags.hpp>

#include <charconv>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <weir/config/quantity.hpp>
#include <weir/store/event.hpp>

namespace weir::cli {
namespace {

template <class T, class Parse>
Flag add_parsed(CLI::App& app, const std::string& name, std::optional<T>& to,
                const std::string& help, const char* type, Parse parse) {
  const auto read = [&to, name, parse](const std::string& text) {
    auto value = parse(text, name);
    if (!value) throw CLI::ValidationError(value.error().message);
    to = *value;
  };
  return Flag(*app.add_option_function<std::string>(name, read, help)->type_name(type));
}

constexpr const char* not_empty = "not empty";

CLI::Option* refuse_empty(CLI::Option* option) {
  return option->check(
      [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); },
      "", not_empty);
}

}  // namespace

Flag Flag::required() const {
  return Flag(*option_->required());
}

Flag Flag::needs(Flag other) const {
  return Flag(*option_->needs(other.option_));
}

Flag Flag::excludes(Flag other) const {
  return Flag(*option_->excludes(other.option_));
}

Flag Flag::type_name(const std::string& name) const {
  return Flag(*option_->type_name(name));
}

Flag Flag::shows_default() const {
  return Flag(*option_->capture_default_str());
}

Flag Flag::group(const std::string& heading) const {
  return Flag(*option_->group(heading));
}

Flag Flag::one_of(const std::vector<std::string>& values) const {
  return Flag(*option_->check(CLI::IsMember(values)));
}

Flag Flag::may_be_empty() const {
  option_->get_validator(not_empty)->active(false);
  return *this;
}

Flag Flag::within(int min, int max) const {
  return Flag(*option_->check(CLI::Range(min, max)));
}

Flag Flag::within(double min, double max) const {
  return Flag(*option_->check(CLI::Range(min, max)));
}

Flag Flags::add(const std::string& name, bool& to, const std::string& help) {
  return Flag(*app_.add_flag(name, to, help));
}

Flag Flags::add(const std::string& name, std::string& to, const std::string& help) {
  return Flag(*refuse_empty(app_.add_option(name, to, help)));
}

Flag Flags::add(const std::string& name, std::optional<std::string>& to, const std::string& help) {
  return Flag(*refuse_empty(app_.add_option(name, to, help)));
}

Flag Flags::add(const std::string& name, double& to, const std::string& help) {
  const auto check = [](const std::string& text) {
    const auto number = config::parse_decimal(text);
    return number ? std::string() : number.error().message;
  };
  return Flag(*app_.add_option(name, to, help)->check(check));
}

Flag Flags::add(const std::string& name, std::uint64_t& to, const std::string& help) {
  return Flag(*app_.add_option(name, to, help));
}

Flag Flags::add(const std::string& name, std::optional<std::uint64_t>& to,
                const std::string& help) {
  return add_parsed(app_, name, to, help, "NUMBER", parse_number);
}

Flag Flags::add(const std::string& name, std::optional<Timestamp>& to, const std::string& help) {
  return add_parsed(app_, name, to, help, "TIME",
                    [](const std::string& text, const std::string& option) -> Result<Timestamp> {
                      auto time = parse_timestamp(text);
                      if (time) return time;
                      // Which calls the text that it was given "time".
                      return invalid_field(option, time.error().message.substr(6));
                    });
}

Flag Flags::add_list(const std::string& name, std::vector<std::string>& to,
                     const std::string& help) {
  const auto read = [&to](const CLI::results_t& values) {
    to = values;
    return true;
  };
  return Flag(*refuse_empty(app_.add_option(name, read, help))
                   ->type_name("TEXT")
                   ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                   ->allow_extra_args(false));
}

Flag Flags::add_arguments(const std::string& name, std::vector<std::string>& to,
                          const std::string& help) {
  return Flag(*refuse_empty(app_.add_option(name, to, help)));
}

void Flags::footer(const std::string& text) {
  app_.footer(text);
}

Result<std::uint64_t> parse_number(std::string_view text, std::string_view option) {
  std::uint64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end || number > position_max.value) {
    return invalid_field(
        option, fmt::format("'{}' is not a whole number from 0 to {}", text, position_max.value));
  }
  return number;
}

}  // namespace weir::cli
