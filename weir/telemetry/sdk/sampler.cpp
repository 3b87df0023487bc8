#include <weir/telemetry/sdk/sampler.hpp>

#include <charconv>

#include <fmt/format.h>

namespace weir::telemetry {
namespace {

constexpr double two_to_63 = 9223372036854775808.0;

/// The random part of a trace id, as OpenTelemetry's ratio sampler takes it: its last 8 bytes, big
/// endian, without the highest bit.
std::uint64_t random_part(const TraceId& id) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i < 16; ++i) value = value << 8 | id.bytes[i];
  return value & 0x7FFF'FFFF'FFFF'FFFF;
}

}  // namespace

Result<Sampler> Sampler::create(Options options) {
  if (!(options.ratio >= 0 && options.ratio <= 1)) {
    return invalid_field("ratio", fmt::format("{} is not in the range 0 to 1", options.ratio));
  }
  return Sampler(options);
}

Sampler::Sampler(Options options) : options_(options) {
  below_ = options.ratio >= 1 ? std::uint64_t{1} << 63
                              : static_cast<std::uint64_t>(options.ratio * two_to_63);
}

Result<Sampler> Sampler::parse(std::string_view name, std::optional<std::string> argument) {
  constexpr std::string_view parent_prefix = "parentbased_";
  Options options{.parent_based = name.starts_with(parent_prefix)};
  const auto kind = options.parent_based ? name.substr(parent_prefix.size()) : name;
  if (kind == "always_off") {
    options.ratio = 0;
  } else if (kind == "traceidratio") {
    if (argument && !argument->empty()) {
      const auto* end = argument->data() + argument->size();
      const auto [read_to, error] = std::from_chars(argument->data(), end, options.ratio);
      if (error != std::errc{} || read_to != end || !(options.ratio >= 0 && options.ratio <= 1)) {
        return invalid_field("OTEL_TRACES_SAMPLER_ARG",
                             fmt::format("'{}' is not a number from 0 to 1", *argument));
      }
    }
  } else if (kind != "always_on") {
    return invalid_field(
        "OTEL_TRACES_SAMPLER",
        fmt::format("'{}' is none of always_on, always_off, traceidratio, parentbased_always_on, "
                    "parentbased_always_off, parentbased_traceidratio",
                    name));
  }
  return Sampler(options);
}

bool Sampler::samples(const TraceId& trace_id, const SpanContext& parent) const {
  if (options_.parent_based && parent.valid()) return parent.sampled;
  return random_part(trace_id) < below_;
}

std::string Sampler::description() const {
  const auto root = options_.ratio >= 1   ? std::string("AlwaysOn")
                    : options_.ratio <= 0 ? std::string("AlwaysOff")
                                          : fmt::format("TraceIdRatioBased{{{}}}", options_.ratio);
  return options_.parent_based ? fmt::format("ParentBased{{{}}}", root) : root;
}

}  // namespace weir::telemetry
