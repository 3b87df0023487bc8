#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weir::cli {

/// One option of a command, to say more of.
class Flag {
 public:
  explicit Flag(CLI::Option& option) : option_(&option) {}

  Flag required() const;
  Flag needs(Flag other) const;
  Flag excludes(Flag other) const;
  /// What stands for its value in the help.
  Flag type_name(const std::string& name) const;
  /// The help shows the value that it has now.
  Flag shows_default() const;
  /// Under which heading the help has it.
  Flag group(const std::string& heading) const;
  Flag one_of(const std::vector<std::string>& values) const;
  /// An empty text means something here.
  Flag may_be_empty() const;
  Flag within(int min, int max) const;
  Flag within(double min, double max) const;

 private:
  CLI::Option* option_;
};

/// The options of a command, as CLI11 has them, without its headers: those take seconds to compile
/// wherever they are used. A name that begins with no dash is an argument. What is given must
/// outlive the parsing.
/// Threads: one at a time.
class Flags {
 public:
  explicit Flags(CLI::App& app) : app_(app) {}

  /// A switch.
  Flag add(const std::string& name, bool& to, const std::string& help);
  // Empty texts are mistakes, unless it is said otherwise: what a script meant to put there is
  // missing.
  Flag add(const std::string& name, std::string& to, const std::string& help);
  Flag add(const std::string& name, std::optional<std::string>& to, const std::string& help);
  /// A number; neither infinite nor none.
  Flag add(const std::string& name, double& to, const std::string& help);
  Flag add(const std::string& name, std::uint64_t& to, const std::string& help);
  /// A whole number up to that of the highest position.
  Flag add(const std::string& name, std::optional<std::uint64_t>& to, const std::string& help);
  /// A time in RFC 3339.
  Flag add(const std::string& name, std::optional<Timestamp>& to, const std::string& help);
  /// It may repeat; each takes one value, as it stands.
  Flag add_list(const std::string& name, std::vector<std::string>& to, const std::string& help);
  /// All arguments that remain.
  Flag add_arguments(const std::string& name, std::vector<std::string>& to,
                     const std::string& help);
  /// What the help ends with.
  void footer(const std::string& text);

  CLI::App& app() { return app_; }

 private:
  CLI::App& app_;
};

/// A whole number from 0 to 2^63 - 1. Errors: invalid_argument naming the option.
Result<std::uint64_t> parse_number(std::string_view text, std::string_view option);

}  // namespace weir::cli
