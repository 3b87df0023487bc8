#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <weir/resilience/core/event.hpp>

namespace weir::resilience {

/// A listener that keeps what it heard.
/// Threads: any.
class Recorder final : public Listener {
 public:
  struct Heard {
    EventKind kind;
    std::string pipeline;
    std::string strategy;
    std::string operation;
    int attempt;
    Duration duration;
    std::optional<Error> error;
    bool ok;
  };

  explicit Recorder(bool calls = false) : calls_(calls) {}

  void on_event(const Event& event) noexcept override;
  bool wants_calls() const override { return calls_; }

  std::vector<Heard> heard() const;
  /// "retried retried opened": their kinds in order.
  std::string in_words() const;

 private:
  const bool calls_;
  mutable std::mutex mutex_;
  std::vector<Heard> heard_;
};

}  // namespace weir::resilience
