#include <weir/telemetry/sdk/id_generator.hpp>

#include <cstring>
#include <random>

namespace weir::telemetry {
namespace {

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
class SplitMix {
 public:
  SplitMix() {
    std::random_device device;
    state_ = std::uint64_t{device()} << 32 | device();
  }

  std::uint64_t next() {
    auto z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    return z != 0 ? z : next();
  }

 private:
  std::uint64_t state_;
};

std::uint64_t random_bits() {
  thread_local SplitMix generator;
  return generator.next();
}

class RandomIds final : public IdGenerator {
 public:
  TraceId trace_id() const override {
    TraceId id;
    const std::uint64_t halves[2] = {random_bits(), random_bits()};
    std::memcpy(id.bytes.data(), halves, sizeof halves);
    return id;
  }
  SpanId span_id() const override {
    SpanId id;
    const auto bits = random_bits();
    std::memcpy(id.bytes.data(), &bits, sizeof bits);
    return id;
  }
};

}  // namespace

const IdGenerator& random_ids() {
  static const RandomIds ids;
  return ids;
}

}  // namespace weir::telemetry
