#include <weir/telemetry/sdk/tracer_provider.hpp>

#include <algorithm>

namespace weir::telemetry {
namespace {

/// `text` up to so many bytes, not cut within a character of UTF-8.
std::string cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) {
      --bytes_max;
    }
    text = text.substr(0, bytes_max);
  }
  return std::string(text);
}

OwnedValue kept(const AttributeValue& value, std::size_t bytes_max) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return cut(*text, bytes_max);
  return owned(value);
}

}  // namespace

struct SdkTracerProvider::Parts {
  std::shared_ptr<SpanProcessor> processor;
  TracerProviderOptions options;
};

class SdkTracerProvider::SdkTracer final : public Tracer {
 public:
  SdkTracer(std::string scope, std::shared_ptr<const Parts> parts)
      : scope_(std::move(scope)), parts_(std::move(parts)) {}

  Span start(std::string_view name, Attributes attributes, const SpanOptions& options) override;

 private:
  class Recorder;
  const std::string scope_;
  const std::shared_ptr<const Parts> parts_;
};

class SdkTracerProvider::SdkTracer::Recorder final : public SpanRecorder {
 public:
  Recorder(std::shared_ptr<const Parts> parts, std::unique_ptr<SpanData> data,
           std::optional<Instant> began)
      : parts_(std::move(parts)), data_(std::move(data)), began_(began.value_or(now_steady())) {
    data_->start = nanos(clock().now().time_since_epoch() - (now_steady() - began_));
  }

  void set_attribute(std::string_view key, const AttributeValue& value) override {
    const std::lock_guard lock(mutex_);
    set(data_->attributes, data_->dropped_attributes, key, value);
  }

  void add_event(std::string_view name, Attributes attributes) override {
    const std::lock_guard lock(mutex_);
    if (data_->events.size() >= limits().events_max) {
      ++data_->dropped_events;
      return;
    }
    auto& event = data_->events.emplace_back();
    event.at = now();
    event.name = cut(name, limits().value_bytes_max);
    std::uint32_t dropped = 0;
    for (const auto& attribute : attributes) {
      set(event.attributes, dropped, attribute.key, attribute.value);
    }
  }

  void set_status(StatusCode code, std::string_view description) override {
    const std::lock_guard lock(mutex_);
    // Success that was declared stands; unset takes nothing back.
    if (data_->status == StatusCode::ok || code == StatusCode::unset) return;
    data_->status = code;
    data_->status_description =
        code == StatusCode::error ? cut(description, limits().value_bytes_max) : std::string();
  }

  void update_name(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    data_->name = cut(name, limits().value_bytes_max);
  }

  void end(std::optional<Instant> at) override {
    data_->end = data_->start + nanos(at.value_or(now_steady()) - began_);
    parts_->processor->on_end(std::move(data_));
  }

 private:
  static UnixNanos nanos(std::chrono::nanoseconds since_1970) {
    return static_cast<UnixNanos>(since_1970.count());
  }
  const Clock& clock() const { return *parts_->options.clock; }
  Instant now_steady() const { return clock().instant(); }
  const SpanLimits& limits() const { return parts_->options.limits; }
  /// By the clock that never jumps, so that no span is longer or shorter than its work.
  UnixNanos now() const { return data_->start + nanos(clock().instant() - began_); }

  void set(std::vector<OwnedAttribute>& to, std::uint32_t& dropped, std::string_view key,
           const AttributeValue& value) const {
    const auto found =
        std::find_if(to.begin(), to.end(), [&](const auto& other) { return other.key == key; });
    if (found != to.end()) {
      found->value = kept(value, limits().value_bytes_max);
    } else if (to.size() >= limits().attributes_max) {
      ++dropped;
    } else {
      to.push_back({std::string(key), kept(value, limits().value_bytes_max)});
    }
  }

  std::mutex mutex_;
  const std::shared_ptr<const Parts> parts_;
  std::unique_ptr<SpanData> data_;
  const Instant began_;
};

Span SdkTracerProvider::SdkTracer::start(std::string_view name, Attributes attributes,
                                         const SpanOptions& options) {
  Context context = options.parent ? *options.parent : current_context();
  const auto& given = parts_->options;
  const SpanContext parent = context.span;
  if (!parent.valid()) context.span = SpanContext{.trace_id = given.ids->trace_id()};
  context.span.span_id = given.ids->span_id();
  context.span.remote = false;
  context.span.sampled = given.sampler.samples(context.span.trace_id, parent);
  if (!context.span.sampled) return Span(std::move(context));

  auto data = std::make_unique<SpanData>();
  data->name = cut(name, given.limits.value_bytes_max);
  data->kind = options.kind;
  data->context = context.span;
  if (parent.valid()) {
    data->parent = parent.span_id;
    data->parent_remote = parent.remote;
  }
  data->scope = scope_;
  const auto links = std::min(options.links.size(), given.limits.links_max);
  data->links.assign(options.links.begin(),
                     options.links.begin() + static_cast<std::ptrdiff_t>(links));
  data->dropped_links = static_cast<std::uint32_t>(options.links.size() - links);
  auto recorder = std::make_unique<Recorder>(parts_, std::move(data), options.began);
  for (const auto& attribute : attributes) {
    recorder->set_attribute(attribute.key, attribute.value);
  }
  return Span(std::move(context), std::move(recorder));
}

SdkTracerProvider::SdkTracerProvider(std::shared_ptr<SpanProcessor> processor,
                                     TracerProviderOptions options)
    : parts_(std::make_shared<const Parts>(Parts{std::move(processor), std::move(options)})) {}

SdkTracerProvider::~SdkTracerProvider() = default;

Tracer& SdkTracerProvider::tracer(std::string_view scope) {
  const std::lock_guard lock(mutex_);
  const auto found = tracers_.find(scope);
  if (found != tracers_.end()) return *found->second;
  const auto made =
      tracers_.emplace(std::string(scope), std::make_unique<SdkTracer>(std::string(scope), parts_));
  return *made.first->second;
}

}  // namespace weir::telemetry
