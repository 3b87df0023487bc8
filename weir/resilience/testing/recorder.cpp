#include <weir/resilience/testing/recorder.hpp>

namespace weir::resilience {

void Recorder::on_event(const Event& event) noexcept {
  const std::lock_guard lock(mutex_);
  heard_.push_back({.kind = event.kind,
                    .pipeline = std::string(event.pipeline),
                    .strategy = std::string(event.strategy),
                    .operation = std::string(event.operation),
                    .attempt = event.attempt,
                    .duration = event.duration,
                    .error = event.error != nullptr ? std::optional(*event.error) : std::nullopt,
                    .ok = event.ok});
}

std::vector<Recorder::Heard> Recorder::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

std::string Recorder::in_words() const {
  std::string words;
  for (const auto& event : heard()) {
    if (!words.empty()) words += ' ';
    words += name_of(event.kind);
  }
  return words;
}

}  // namespace weir::resilience
