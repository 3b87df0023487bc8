#include <cstdint>
#include <string>
#include <string_view>

#include <weir/base/assert.hpp>
#include <weir/base/json.hpp>
#include <weir/server/dcb_adapter_json.hpp>

/// Whatever the body of an append or the URL of a read is, it is taken or refused with a reason,
/// and events that are taken are written as JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = server::parse_dcb_read(text);
  WEIR_ASSERT(read.ok() || !read.error().message.empty());
  const auto append = server::parse_dcb_append(text);
  WEIR_ASSERT(append.ok() || !append.error().message.empty());
  if (!append || !check(*append, Limits{})) return 0;
  BatchBuilder builder;
  std::uint64_t position = 0;
  for (const auto& event : append->events) {
    builder.add({.position = Position(++position),
                 .id = event.id ? &*event.id : nullptr,
                 .type = event.type,
                 .tags = {event.tags.begin(), event.tags.end()},
                 .data = event.data,
                 .content_type = event.content_type});
  }
  for (const auto& event : std::move(builder).build()) {
    std::string written;
    server::append_dcb_event(written, event);
    WEIR_ASSERT(check_json(written).ok());
  }
  return 0;
}
