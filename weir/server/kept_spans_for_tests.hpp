#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <weir/telemetry/sdk/tracer_provider.hpp>

namespace weir::server {

/// Keeps what has ended, for tests. What it hands out lives as long as it does.
/// Threads: any.
class KeptSpans final : public telemetry::SpanProcessor {
 public:
  void on_end(std::unique_ptr<telemetry::SpanData> span) override {
    const std::lock_guard lock(mutex_);
    spans_.push_back(std::move(span));
  }
  bool force_flush(std::chrono::nanoseconds) override { return true; }
  bool shut_down(std::chrono::nanoseconds) override { return true; }

  std::vector<const telemetry::SpanData*> all() const {
    const std::lock_guard lock(mutex_);
    std::vector<const telemetry::SpanData*> all;
    for (const auto& span : spans_) all.push_back(span.get());
    return all;
  }
  /// In the order in which they ended.
  std::vector<const telemetry::SpanData*> children_of(const telemetry::SpanContext& parent) const {
    auto children = all();
    std::erase_if(children, [&](const auto* span) { return span->parent != parent.span_id; });
    return children;
  }
  /// Null when it has not ended.
  const telemetry::SpanData* find(const telemetry::SpanContext& of) const {
    for (const auto* span : all()) {
      if (span->context.span_id == of.span_id) return span;
    }
    return nullptr;
  }

 private:
  mutable std::mutex mutex_;
  telemetry::SpanBatch spans_;
};

/// A number as its digits; empty when it is not there.
inline std::string attribute_of(const telemetry::SpanData& span, std::string_view key) {
  for (const auto& [name, value] : span.attributes) {
    if (name != key) continue;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  }
  return "";
}

}  // namespace weir::server
