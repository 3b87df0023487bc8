#include <weir/io/content_id.hpp>

#include <cstring>

#include <fmt/format.h>

namespace weir::io {
namespace {

/// With its length in front, so that no content can pretend to be two fields.
void add(std::string& out, std::string_view field) {
  fmt::format_to(std::back_inserter(out), "{}:", field.size());
  out += field;
}

}  // namespace

std::string content_of(const Event& event) {
  std::string out;
  add(out, event.type);
  add(out, std::to_string(event.tags.size()));
  for (const auto& tag : event.tags) add(out, tag);
  add(out, event.data);
  add(out, event.content_type);
  add(out, std::to_string(event.metadata.size()));
  for (const auto& [key, value] : event.metadata) {
    add(out, key);
    add(out, value);
  }
  add(out, event.occurred_at ? std::to_string(event.occurred_at->time_since_epoch().count()) : "");
  return out;
}

Uuid ContentIds::next(const Event& event) {
  auto content = content_of(event);
  const auto occurrence = met_[make_uuid_of(content)]++;
  add(content, std::to_string(occurrence));
  return make_uuid_of(content);
}

std::size_t ContentIds::Hash::operator()(const Uuid& id) const {
  std::size_t hash = 0;
  std::memcpy(&hash, id.bytes.data() + 8, sizeof(hash));
  return hash;
}

}  // namespace weir::io
