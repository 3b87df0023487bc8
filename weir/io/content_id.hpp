#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include <weir/base/uuid.hpp>
#include <weir/store/event.hpp>

namespace weir::io {

/// A text that is the same for events with the same type, tags, payload, content type, metadata
/// and time of occurrence, and for no others.
std::string content_of(const Event& event);

/// Makes ids out of content: the same for the same events met in the same order, however often.
/// The second of two events that are alike gets another id than the first, and so on.
/// Memory: some 50 bytes for each different event.
/// Threads: one at a time.
class ContentIds {
 public:
  Uuid next(const Event& event);
  /// Forgets what it has met.
  void restart() { met_.clear(); }

 private:
  struct Hash {
    std::size_t operator()(const Uuid& id) const;
  };
  std::unordered_map<Uuid, std::uint32_t, Hash> met_;
};

}  // namespace weir::io
