#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <weir/resilience/pipeline/builder.hpp>

namespace weir::resilience {

/// Pipelines by name, whose options can change while they are in use. Copies of a pipeline that
/// came from here follow its reloads; calls under way end under the options they began with.
/// Threads: any. Running a pipeline from here costs one more shared pointer's copy a call.
class Registry {
 public:
  struct Options {
    /// Pipelines at most. Range 1 to 100,000. Default 1,000.
    int pipelines_max = 1000;
  };

  static Result<std::unique_ptr<Registry>> create(const Options& options);

  /// Adds a pipeline under the builder's name.
  /// Errors: invalid_argument, naming the option; already_exists; resource_exhausted.
  Result<Pipeline> add(const PipelineBuilder& builder);
  /// Errors: not_found.
  Result<Pipeline> get(std::string_view name) const;
  std::vector<std::string> names() const;

  /// Gives the pipeline of the builder's name other options, strategies or listener. Where kind
  /// and name of a strategy are as before it goes on: an open circuit stays open, permits in use
  /// stay in use, tokens used up stay used up. With an error nothing changes.
  /// Errors: invalid_argument, naming the option; not_found.
  Result<void> reload(const PipelineBuilder& builder);

 private:
  explicit Registry(const Options& options) : options_(options) {}
  Result<std::shared_ptr<detail::Slot>> find(std::string_view name) const;

  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<detail::Slot>, std::less<>> slots_;
};

}  // namespace weir::resilience
