#include <apps/weir/protection.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <weir/security/token_file.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::cli {

namespace {

Result<std::optional<security::Tokens>> read_tokens(const ServeSettings& settings) {
  std::optional<security::Tokens> none;
  if (settings.tokens.empty()) return none;
  WEIR_TRY_ASSIGN(tokens, security::read_tokens(settings.tokens));
  return std::optional(std::move(tokens));
}

Result<std::optional<security::TlsMaterial>> read_tls(const ServeSettings& settings,
                                                      Timestamp now) {
  std::optional<security::TlsMaterial> none;
  if (settings.tls == security::TlsFiles{}) return none;
  WEIR_TRY_ASSIGN(material, security::load_tls(settings.tls, now));
  return std::optional(std::move(material));
}

}  // namespace

Result<Protection> read_protection(const ServeSettings& settings, Timestamp now) {
  WEIR_TRY_ASSIGN(tokens, read_tokens(settings));
  WEIR_TRY_ASSIGN(tls, read_tls(settings, now));
  return Protection{.tokens = std::move(tokens), .tls = std::move(tls)};
}

Reloader::Reloader(SettingFlags flags, std::unique_ptr<ServeConfiguration> configuration,
                   Running running, Program& program)
    : flags_(std::move(flags)),
      started_(std::move(configuration)),
      running_(running),
      program_(program),
      reloads_(running.meter.counter(telemetry::metric::config_reloads)) {}

void Reloader::reload() {
  // A token that was revoked must end, whatever else is wrong.
  const auto tokens = reload_tokens();
  if (!tokens) spdlog::error("SIGHUP: tokens stay as they were: {}", tokens.error().message);
  const auto others = reload_others();
  if (!others) {
    spdlog::error("SIGHUP: settings and certificates stay as they were: {}",
                  others.error().message);
  }
  const auto& done = tokens ? others : tokens;
  reloads_.add(1, {done ? std::string_view() : name_of(done.error().code)});
}

// Whether there are tokens and TLS at all is settled when the server starts; what is in the files
// is read from where the server looked then.

Result<void> Reloader::reload_tokens() {
  WEIR_TRY_ASSIGN(tokens, read_tokens(started_->values));
  if (!tokens) return {};
  running_.access.replace(*tokens);
  spdlog::info("SIGHUP: tokens were read again");
  return {};
}

Result<void> Reloader::reload_others() {
  WEIR_TRY_ASSIGN(fresh, ServeConfiguration::load(flags_, program_));
  WEIR_TRY_ASSIGN(tls, read_tls(started_->values, program_.clock->now()));
  WEIR_TRY(apply(fresh->values, tls));
  tell(*fresh);
  now_ = std::move(fresh);
  return {};
}

Result<void> Reloader::apply(const ServeSettings& settings,
                             const std::optional<security::TlsMaterial>& tls) {
  // First what can fail: the settings themselves were checked when they were loaded.
  WEIR_TRY_ASSIGN(strategies, shield_options(settings));
  if (tls) WEIR_TRY(running_.service.replace_tls(*tls));
  WEIR_TRY(running_.service.replace_limits(settings.open.limits, settings.service.http,
                                           admission_options(settings)));
  if (running_.shield) {
    strategies.listener = running_.listener;
    WEIR_TRY(running_.shield->reload(std::move(strategies)));
  }
  Buffers::shared().configure(settings.buffers);
  spdlog::set_level(spdlog::level::from_str(settings.log_level));
  return {};
}

void Reloader::tell(const ServeConfiguration& fresh) const {
  const auto& before = now_ ? *now_ : *started_;
  std::string taken;
  for (const auto* setting : config::changed(before.list, fresh.list)) {
    if (!setting->is_reloadable()) continue;
    taken += fmt::format("; {} is {} now", setting->name(), setting->shown());
  }
  spdlog::info("SIGHUP: settings and certificates were read again{}", taken);
  for (const auto* setting : config::changed(started_->list, fresh.list)) {
    if (setting->is_reloadable()) continue;
    spdlog::warn("SIGHUP: {} is {} now ({}): it takes effect when the server starts again",
                 setting->name(), setting->shown(), setting->place());
  }
}

}  // namespace weir::cli
