#include <algorithm>
#include <cstdint>
#include <string_view>

#include <umadb/v1/umadb.pb.h>

#include <weir/base/assert.hpp>
#include <weir/server/umadb_wire.hpp>

namespace {

using namespace weir;
namespace theirs = ::umadb::v1;

bool same(const theirs::Query& a, const Query& b) {
  return std::equal(a.items().begin(), a.items().end(), b.items.begin(), b.items.end(),
                    [](const theirs::QueryItem& left, const QueryItem& right) {
                      return std::equal(left.types().begin(), left.types().end(),
                                        right.types.begin(), right.types.end()) &&
                             std::equal(left.tags().begin(), left.tags().end(), right.tags.begin(),
                                        right.tags.end());
                    });
}

bool same(const theirs::Event& a, const Event& b) {
  return a.event_type() == b.type && a.data() == b.data &&
         std::equal(a.tags().begin(), a.tags().end(), b.tags.begin(), b.tags.end()) &&
         static_cast<std::size_t>(a.metadata_size()) == b.metadata.size();
}

}  // namespace

/// What we read without message objects is what protobuf's own reader finds in it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto length = static_cast<int>(size);
  theirs::AppendRequest append;
  const auto appended = server::umadb::parse_append(bytes);
  if (appended && append.ParseFromArray(data, length)) {
    WEIR_ASSERT(std::equal(append.events().begin(), append.events().end(), appended->events.begin(),
                           appended->events.end(),
                           [](const auto& a, const auto& b) { return same(a, b); }));
    WEIR_ASSERT(append.has_condition() == appended->condition.has_value());
    WEIR_ASSERT(!append.has_condition() || same(append.condition().fail_if_events_match(),
                                                appended->condition->fail_if_events_match));
    WEIR_ASSERT(append.has_tracking_info() == appended->tracking.has_value());
    WEIR_ASSERT(!append.has_tracking_info() ||
                (append.tracking_info().source() == appended->tracking->source &&
                 append.tracking_info().position() == appended->tracking->position));
    static_cast<void>(check(*appended, umadb_limits()));
  }
  theirs::ReadRequest read;
  const auto reads = server::umadb::parse_read(bytes);
  if (reads && read.ParseFromArray(data, length)) {
    WEIR_ASSERT(same(read.query(), reads->query));
    WEIR_ASSERT(read.has_limit() == reads->limit.has_value());
    WEIR_ASSERT(check(*reads, umadb_limits()).ok() || !reads->query.items.empty());
  }
  theirs::SubscribeRequest subscribe;
  const auto subscribes = server::umadb::parse_subscribe(bytes);
  if (subscribes && *subscribes && subscribe.ParseFromArray(data, length)) {
    WEIR_ASSERT(same(subscribe.query(), (*subscribes)->query));
    WEIR_ASSERT(subscribe.has_after() == (*subscribes)->after.has_value());
  }
  theirs::TrackingRequest tracking;
  const auto source = server::umadb::parse_tracking(bytes);
  if (source && tracking.ParseFromArray(data, length)) WEIR_ASSERT(tracking.source() == *source);
  static_cast<void>(server::umadb::parse_head(bytes));
  return 0;
}
