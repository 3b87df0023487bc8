#include <weir/gateway/upstream.hpp>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <weir/base/printable.hpp>
#include <weir/telemetry/api/propagation.hpp>

namespace weir::gateway {
namespace {

using Timeout = std::optional<std::chrono::milliseconds>;

constexpr double seconds_max = 86'400;

Timeout in_milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::max(seconds * 1000, 1.0)));
}

class Metadata final : public telemetry::TextMapCarrier {
 public:
  explicit Metadata(std::vector<Header>& headers) : headers_(headers) {}
  std::string_view get(std::string_view) const override { return {}; }
  void set(std::string_view name, std::string_view value) override {
    if (is_printable(value)) headers_.push_back({std::string(name), std::string(value)});
  }

 private:
  std::vector<Header>& headers_;
};

}  // namespace

std::string path_of(const google::protobuf::MethodDescriptor& method) {
  return fmt::format("/{}/{}", method.service()->full_name(), method.name());
}

Result<CallOptions> Upstream::options_for(const google::protobuf::MethodDescriptor& method,
                                          const HttpRequest& request) const {
  CallOptions options;
  options.method = path_of(method);
  options.clock = clock;
  for (const auto& name : passed_headers) {
    const auto value = request.header(name);
    if (value.empty()) continue;
    if (!is_printable(value)) return invalid_field(name, "the header is not printable ASCII");
    options.metadata.push_back({name, std::string(value)});
  }
  if (!peer_metadata.empty()) options.metadata.push_back({peer_metadata, request.peer});
  Metadata carrier(options.metadata);
  telemetry::w3c_propagator().inject(request.context, carrier);
  return options;
}

Result<Timeout> timeout_of(const HttpRequest& request) {
  for (const std::string_view name : {"Request-Timeout", "X-Request-Timeout"}) {
    const auto text = request.header(name);
    if (text.empty()) continue;
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || !(seconds > 0) ||
        seconds > seconds_max) {
      return invalid_field(
          name, fmt::format("expected seconds, more than 0 and at most {}", seconds_max));
    }
    return in_milliseconds(seconds);
  }
  return Timeout{};
}

Result<Timeout> grpc_timeout_of(const HttpRequest& request) {
  const auto text = request.header("grpc-timeout");
  if (text.empty()) return Timeout{};
  static constexpr std::string_view units = "HMSmun";
  static constexpr double seconds_of[] = {3600, 60, 1, 1e-3, 1e-6, 1e-9};
  const auto unit = units.find(text.back());
  std::uint32_t value = 0;
  const auto* digits_end = text.data() + text.size() - 1;
  const auto [end, error] = std::from_chars(text.data(), digits_end, value);
  if (unit == std::string_view::npos || text.size() > 9 || error != std::errc{} ||
      end != digits_end) {
    return invalid_field("grpc-timeout", "expected up to 8 digits and one of H, M, S, m, u, n");
  }
  return in_milliseconds(std::min(value * seconds_of[unit], seconds_max));
}

}  // namespace weir::gateway
