#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/base/time.hpp>
#include <weir/telemetry/api/attribute.hpp>
#include <weir/telemetry/api/context.hpp>

namespace weir::telemetry {

enum class SpanKind : std::uint8_t { internal = 1, server, client, producer, consumer };

enum class StatusCode : std::uint8_t { unset = 0, ok, error };

/// Another span that this one has to do with, without being its child.
struct Link {
  SpanContext to;
};

struct SpanOptions {
  SpanKind kind = SpanKind::internal;
  /// Absent: what is current in this thread. An empty one makes a root.
  std::optional<Context> parent = std::nullopt;
  std::vector<Link> links = {};
  /// When it began, by the clock that never jumps. Absent: now.
  std::optional<Instant> began = std::nullopt;
};

/// Keeps what is said about a span that is recorded. Implemented by an SDK.
/// Threads: any.
class SpanRecorder {
 public:
  virtual ~SpanRecorder() = default;
  virtual void set_attribute(std::string_view key, const AttributeValue& value) = 0;
  virtual void add_event(std::string_view name, Attributes attributes) = 0;
  virtual void set_status(StatusCode code, std::string_view description) = 0;
  virtual void update_name(std::string_view name) = 0;
  /// Called once, and last. `at`: absent is now.
  virtual void end(std::optional<Instant> at) = 0;
};

/// A piece of work. One that is not recorded costs its context and nothing else.
/// Ends when end() is called or when it is destroyed. Moved, not copied; empty after a move.
/// Threads: one at a time.
class Span {
 public:
  /// One that is not recorded, and hands on `context`.
  explicit Span(Context context = {}, std::unique_ptr<SpanRecorder> recorder = nullptr)
      : context_(std::move(context)), recorder_(std::move(recorder)) {}
  Span(Span&&) = default;
  Span& operator=(Span&& other) noexcept {
    end();
    context_ = std::move(other.context_);
    recorder_ = std::move(other.recorder_);
    return *this;
  }
  ~Span() { end(); }

  bool is_recording() const { return recorder_ != nullptr; }
  /// What its children are begun under. Stays when the span has ended.
  const Context& context() const { return context_; }
  const SpanContext& span_context() const { return context_.span; }

  void set_attribute(std::string_view key, const AttributeValue& value) {
    if (recorder_) recorder_->set_attribute(key, value);
  }
  void add_event(std::string_view name, std::initializer_list<Attribute> attributes = {}) {
    if (recorder_) recorder_->add_event(name, Attributes(attributes.begin(), attributes.size()));
  }
  void set_status(StatusCode code, std::string_view description = {}) {
    if (recorder_) recorder_->set_status(code, description);
  }
  void update_name(std::string_view name) {
    if (recorder_) recorder_->update_name(name);
  }
  /// `at`: when it ended, by the clock that never jumps. Absent: now.
  void end(std::optional<Instant> at = std::nullopt) {
    if (recorder_) std::exchange(recorder_, nullptr)->end(at);
  }

 private:
  Context context_;
  std::unique_ptr<SpanRecorder> recorder_;
};

/// Starts spans.
/// Threads: any.
class Tracer {
 public:
  virtual ~Tracer() = default;

  Span start_span(std::string_view name, std::initializer_list<Attribute> attributes = {},
                  const SpanOptions& options = {}) {
    return start(name, Attributes(attributes.begin(), attributes.size()), options);
  }
  virtual Span start(std::string_view name, Attributes attributes, const SpanOptions& options) = 0;
};

/// Its spans are not recorded and hand on the context they were begun under.
Tracer& no_tracer();

/// Gives out tracers, one for each part of a program that reports.
/// Threads: any.
class TracerProvider {
 public:
  virtual ~TracerProvider() = default;
  /// `scope` names the part: "weir.server". The tracer lives as long as its provider.
  virtual Tracer& tracer(std::string_view scope) = 0;
};

}  // namespace weir::telemetry
