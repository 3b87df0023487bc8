#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/config/quantity.hpp>

namespace weir::config {

struct FileValue;

/// Where a value was said. A later one wins.
enum class Origin : std::uint8_t { standard, file, environment, flag };

/// "default", "file", "environment", "flag".
std::string_view name_of(Origin origin);

enum class Kind : std::uint8_t { text, number, decimal, switch_, duration, bytes, choice, list };

/// "text", "number", "true or false", "duration", "size" ...
std::string_view name_of(Kind kind);

/// One setting of a program, bound to the field that it is the value of.
class Setting {
 public:
  /// Dotted, as a file nests it: "http.idle_timeout".
  const std::string& name() const { return name_; }
  Kind kind() const { return kind_; }
  /// What it is, a sentence without its full stop.
  const std::string& what() const { return what_; }
  /// "1 to 64", "text, json"; empty when any text will do.
  const std::string& range() const { return range_; }
  /// As it would be written.
  const std::string& standard() const { return standard_; }
  /// "--http-idle-timeout".
  const std::string& flag() const { return flag_; }
  /// "WEIR_HTTP_IDLE_TIMEOUT".
  const std::string& variable() const { return variable_; }
  bool is_secret() const { return secret_; }
  /// Whether it can change while the program runs.
  bool is_reloadable() const { return reloadable_; }

  /// The value now, as it would be written: for comparing. May be a secret.
  std::string value() const { return get_(); }
  /// The same for people: of a secret only whether there is one.
  std::string shown() const;
  Origin origin() const { return origin_; }
  /// "weir.yaml:3", "WEIR_HTTP_IDLE_TIMEOUT", "--http-idle-timeout"; "default".
  const std::string& place() const { return place_; }

  // Said when it is added.

  /// Another variable that says it too, without the prefix; weaker than the setting's own.
  Setting& other_variable(std::string name);
  /// A flag of another name than the setting's.
  Setting& flag(std::string name);
  Setting& reloads();
  /// Its value is never shown.
  Setting& secret();
  /// What is shown is made of its value by this.
  Setting& shown_as(std::function<std::string(const std::string&)> mask);

 private:
  friend class Settings;
  Result<void> set(const std::vector<std::string>& texts, Origin origin, std::string place);

  std::string name_, what_, range_, standard_, flag_, variable_, other_variable_;
  Kind kind_ = Kind::text;
  bool secret_ = false;
  bool reloadable_ = false;
  std::function<std::string(const std::string&)> mask_;
  /// Errors say what is wrong, without the name.
  std::function<Result<void>(const std::vector<std::string>&)> set_;
  std::function<std::string()> get_;
  Origin origin_ = Origin::standard;
  std::string place_ = "default";
};

/// The settings of a program. The default of each is what its field holds when it is added; fields
/// must outlive the list.
/// Threads: one at a time.
class Settings {
 public:
  /// `prefix` of the environment's variables: "WEIR".
  explicit Settings(std::string prefix) : prefix_(std::move(prefix)) {}
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  Setting& text(std::string name, std::string& to, std::string what);
  Setting& flag_switch(std::string name, bool& to, std::string what);
  /// One of these words.
  Setting& choice(std::string name, std::string& to, std::vector<std::string> words,
                  std::string what);
  /// Any number of texts; in a variable or flag with commas between them.
  Setting& list(std::string name, std::vector<std::string>& to, std::string what);
  Setting& decimal(std::string name, double& to, double min, double max, std::string what);
  Setting& duration(std::string name, std::chrono::milliseconds& to, std::chrono::milliseconds min,
                    std::chrono::milliseconds max, std::string what);

  template <class Whole>
  requires std::is_integral_v<Whole> Setting& number(std::string name, Whole& to,
                                                     std::type_identity_t<Whole> min,
                                                     std::type_identity_t<Whole> max,
                                                     std::string what) {
    return whole(
        Kind::number, std::move(name), static_cast<std::uint64_t>(min),
        static_cast<std::uint64_t>(max), std::move(what),
        [&to](std::uint64_t value) { to = static_cast<Whole>(value); },
        [&to] { return static_cast<std::uint64_t>(to); });
  }
  template <class Whole>
  requires std::is_integral_v<Whole> Setting& bytes(std::string name, Whole& to,
                                                    std::type_identity_t<Whole> min,
                                                    std::type_identity_t<Whole> max,
                                                    std::string what) {
    return whole(
        Kind::bytes, std::move(name), static_cast<std::uint64_t>(min),
        static_cast<std::uint64_t>(max), std::move(what),
        [&to](std::uint64_t value) { to = static_cast<Whole>(value); },
        [&to] { return static_cast<std::uint64_t>(to); });
  }

  /// Errors: invalid_argument with a line for each thing that is wrong: "weir.yaml:3: http.adress:
  /// there is no such setting; did you mean http.address?"; those of read_yaml().
  Result<void> read_file(const std::string& path);
  /// The same of a text.
  Result<void> read_yaml(const std::string& text, std::string_view called);

  /// An empty variable counts as not set. Errors: invalid_argument naming the variable.
  using Lookup = std::function<std::optional<std::string>(const char* name)>;
  Result<void> read_environment(const Lookup& lookup);

  /// What somebody who set these variables may have meant otherwise: a line for each that begins
  /// with the prefix and is neither a setting's nor in `others`: "WEIR_GRCP_ADDRESS: there is no
  /// such setting; did you mean WEIR_GRPC_ADDRESS?". Not for those that Kubernetes sets by itself
  /// in every container when there is a service named like the program (WEIR_SERVICE_HOST,
  /// WEIR_PORT=tcp://..., WEIR_PORT_8080_TCP_ADDR and the like).
  struct Variable {
    std::string name;
    std::string value;
  };
  std::vector<std::string> unknown_variables(const std::vector<Variable>& environment,
                                             const std::vector<std::string>& others) const;

  /// By setting: the texts of the flags that were given.
  /// Errors: invalid_argument naming the flag.
  Result<void> read_flags(const std::map<std::string, std::string>& by_name);

  const std::deque<Setting>& all() const { return all_; }
  /// Null when there is none.
  const Setting* find(std::string_view name) const;

 private:
  Setting& add(Kind kind, std::string name, std::string what, std::string range,
               std::function<Result<void>(const std::vector<std::string>&)> set,
               std::function<std::string()> get);
  Setting& whole(Kind kind, std::string name, std::uint64_t min, std::uint64_t max,
                 std::string what, std::function<void(std::uint64_t)> set,
                 std::function<std::uint64_t()> get);
  Result<void> apply(const std::vector<FileValue>& values);
  Error unknown(const FileValue& value) const;

  std::string prefix_;
  std::deque<Setting> all_;
};

/// The settings whose values differ, as they stand in `now`. Both lists hold the same settings.
std::vector<const Setting*> changed(const Settings& before, const Settings& now);

/// Of several names the one that somebody who wrote `name` meant; nothing when none is near.
std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& names);

}  // namespace weir::config
