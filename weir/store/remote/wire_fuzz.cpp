#include <algorithm>
#include <cstdint>
#include <string>

#include <weir/v1/log.pb.h>

#include <weir/base/assert.hpp>
#include <weir/store/remote/convert.hpp>

namespace {

using namespace weir;

std::vector<RecordedEvent> events_of(const Batch& batch) {
  std::vector<RecordedEvent> events;
  for (const auto& event : batch) events.push_back(event.copy());
  return events;
}

/// A request that is taken is sent and taken again as the same.
void requests(const std::string& bytes) {
  if (v1::ReadRequest message; message.ParseFromString(bytes)) {
    if (const auto read = remote::from_proto(message)) {
      v1::ReadRequest sent;
      remote::to_proto(*read, "default", sent);
      const auto again = remote::from_proto(sent);
      WEIR_ASSERT(again.ok() && again->query == read->query && again->after == read->after &&
                  again->until == read->until && again->limit == read->limit &&
                  again->occurred == read->occurred && again->direction == read->direction);
    }
  }
  if (v1::SubscribeRequest message; message.ParseFromString(bytes)) {
    if (const auto subscribe = remote::from_proto(message)) {
      v1::SubscribeRequest sent;
      remote::to_proto(*subscribe, "default", sent);
      const auto again = remote::from_proto(sent);
      WEIR_ASSERT(again.ok() && again->query == subscribe->query &&
                  again->after == subscribe->after);
    }
  }
  if (v1::AppendRequest message; message.ParseFromString(bytes)) {
    const auto append = remote::take_append(message);
    if (!append) return;
    v1::AppendRequest sent;
    remote::to_proto(*append, "default", sent);
    const auto again = remote::take_append(sent);
    WEIR_ASSERT(
        again.ok() && again->events == append->events && again->condition == append->condition &&
        again->idempotency_key == append->idempotency_key && again->tracking == append->tracking);
  }
}

/// Events seen where they lie are what protobuf's own reader sees, and survive being packed anew.
void responses(const std::string& bytes) {
  const auto step = remote::read_step_from_wire(bytes);
  static_cast<void>(remote::subscription_step_from_wire(bytes));
  if (!step) return;
  const auto events = events_of(step->batch);
  WEIR_ASSERT(events.size() == step->batch.size());
  BatchBuilder copied;
  for (const auto& event : step->batch) copied.add(event.position(), event.wire());
  WEIR_ASSERT(events_of(std::move(copied).build()) == events);
  const auto sent = remote::read_step_from_wire(remote::to_wire(*step));
  WEIR_ASSERT(sent.ok() && sent->batch.wire() == step->batch.wire() && sent->head == step->head &&
              sent->cursor == step->cursor && sent->end == step->end);

  v1::ReadResponse theirs;
  if (!theirs.ParseFromString(bytes)) return;
  WEIR_ASSERT(static_cast<std::size_t>(theirs.events_size()) == events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& event = theirs.events(static_cast<int>(i));
    WEIR_ASSERT(event.position() == events[i].position.value);
    WEIR_ASSERT(event.type() == events[i].type && event.data() == events[i].data);
    WEIR_ASSERT(std::equal(event.tags().begin(), event.tags().end(), events[i].tags.begin(),
                           events[i].tags.end()));
  }
}

}  // namespace

/// What comes over the wire, from a client or from a server, is taken or refused, and never more.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  requests(bytes);
  responses(bytes);
  static_cast<void>(remote::from_status_bytes(bytes));
  return 0;
}
