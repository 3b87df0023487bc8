#pragma once

#include <string>
#include <utility>
#include <vector>

#include <weir/resilience/pipeline/pipeline.hpp>

namespace weir::resilience {

/// What a built pipeline is made of, to be looked at in tests and shown to people.
struct PipelineDescription {
  struct Strategy {
    Kind kind;
    std::string name;
    /// As given; std::get<RetryOptions>(options).attempts_max.
    StrategyOptions options;
    /// The options that are plain values, in words: {"attempts_max", "3"}.
    std::vector<std::pair<std::string, std::string>> values;
  };
  std::string name;
  bool reloadable = false;
  std::vector<Strategy> strategies;
};

PipelineDescription describe(const Pipeline& pipeline);

/// A line for the pipeline and one for each strategy.
std::string to_string(const PipelineDescription& description);

}  // namespace weir::resilience
