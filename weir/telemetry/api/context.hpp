#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/telemetry/api/span_context.hpp>

namespace weir::telemetry {

/// A member of W3C baggage: what an application lets travel along its calls.
struct BaggageMember {
  std::string key;
  /// Decoded.
  std::string value;
  /// Properties behind the value, as they came: "ttl=5"; printable ASCII, usually empty.
  std::string properties;

  bool operator==(const BaggageMember&) const = default;
};

/// At most 64 members in 8192 bytes; what is past that was dropped when it came in.
using Baggage = std::vector<BaggageMember>;

/// What travels with a request beside its trace.
struct Carried {
  Baggage baggage;
  /// Names everything that one thing asked for from outside led to.
  std::string correlation_id;
  /// Names what directly led to this.
  std::string causation_id;

  bool operator==(const Carried&) const = default;
};

/// Whose work is being done. A value; copying it allocates nothing.
struct Context {
  SpanContext span;
  /// Null when there is none of it.
  std::shared_ptr<const Carried> carried = nullptr;

  std::string_view correlation_id() const {
    return carried ? std::string_view(carried->correlation_id) : std::string_view();
  }
  std::string_view causation_id() const {
    return carried ? std::string_view(carried->causation_id) : std::string_view();
  }
};

/// The context of what this thread is doing; an empty one outside every Scope.
/// Threads: each has its own. The reference is good until this thread's next Scope begins or ends.
const Context& current_context();

/// Makes a context (of a span, mostly) this thread's current one until the end of the block. On the
/// stack only, ended in reverse order, on the thread that began it.
class Scope {
 public:
  explicit Scope(Context context);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Context context_;
  const Context* before_;
};

}  // namespace weir::telemetry
