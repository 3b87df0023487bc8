#include <apps/weir/protection.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <weir/security/token_file.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::cli {

Result<Protection> read_protection(const ServeSettings& settings, Timestamp now) {
  Protection protection;
  if (!settings.tokens.empty()) {
    WEIR_TRY_ASSIGN(tokens, security::read_tokens(settings.tokens));
    protection.tokens = std::move(tokens);
  }
  if (settings.tls.enabled() || !settings.tls.key.empty() || !settings.tls.client_ca.empty()) {
    WEIR_TRY_ASSIGN(material, security::load_tls(settings.tls, now));
    protection.tls = std::move(material);
  }
  return protection;
}

Reloader::Reloader(SettingFlags flags, std::unique_ptr<ServeConfiguration> configuration,
                   Running running, Program& program)
    : flags_(std::move(flags)),
      started_(std::move(configuration)),
      running_(running),
      program_(program),
      reloads_(running.meter.counter(telemetry::metric::config_reloads)) {}

void Reloader::reload() {
  const auto done = try_reload();
  if (done) {
    reloads_.add(1, {""});
    return;
  }
  reloads_.add(1, {name_of(done.error().code)});
  spdlog::error("SIGHUP: nothing was changed: {}", done.error().message);
}

Result<void> Reloader::try_reload() {
  WEIR_TRY_ASSIGN(fresh, ServeConfiguration::load(flags_, program_));
  // Whether there are tokens and TLS at all is settled when the server starts; what is in the files
  // is read from where the server looked then.
  WEIR_TRY_ASSIGN(protection, read_protection(started_->values, program_.clock->now()));
  WEIR_TRY(apply(fresh->values, protection));
  tell(*fresh);
  now_ = std::move(fresh);
  return {};
}

Result<void> Reloader::apply(const ServeSettings& settings, const Protection& protection) {
  // First what can fail: the settings themselves were checked when they were loaded.
  WEIR_TRY_ASSIGN(strategies, shield_options(settings));
  if (protection.tls) WEIR_TRY(running_.service.replace_tls(*protection.tls));
  WEIR_TRY(running_.service.replace_limits(settings.open.limits, settings.service.http,
                                           admission_options(settings)));
  if (running_.shield) {
    strategies.listener = running_.listener;
    WEIR_TRY(running_.shield->reload(std::move(strategies)));
  }
  Buffers::shared().configure(settings.buffers);
  if (protection.tokens) running_.access.replace(*protection.tokens);
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
  spdlog::info("SIGHUP: settings, tokens and certificates were read again{}", taken);
  for (const auto* setting : config::changed(started_->list, fresh.list)) {
    if (setting->is_reloadable()) continue;
    spdlog::warn("SIGHUP: {} is {} now ({}): it takes effect when the server starts again",
                 setting->name(), setting->shown(), setting->place());
  }
}

}  // namespace weir::cli
