#include <weir/gateway/stream_format.hpp>

#include <array>
#include <charconv>

#include <fmt/format.h>

#include <weir/base/json.hpp>
#include <weir/gateway/errors.hpp>
#include <weir/gateway/json_writer.hpp>

namespace weir::gateway {
namespace {

namespace pb = google::protobuf;

constexpr std::chrono::milliseconds heartbeat{15'000};

struct MediaType {
  std::string_view name;
  StreamFormat format;
};
constexpr std::array<MediaType, 4> media_types = {{
    {"text/event-stream", StreamFormat::sse},
    {"application/x-ndjson", StreamFormat::ndjson},
    {"application/ndjson", StreamFormat::ndjson},
    {"application/json", StreamFormat::json},
}};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

double quality_of(std::string_view parameters) {
  const auto q = parameters.find("q=");
  if (q == std::string_view::npos) return 1;
  double value = 0;
  std::from_chars(parameters.data() + q + 2, parameters.data() + parameters.size(), value);
  return value;
}

}  // namespace

StreamFormat choose_format(std::string_view accept, StreamFormat otherwise) {
  auto best = otherwise;
  double best_quality = 0;
  while (!accept.empty()) {
    const auto comma = std::min(accept.find(','), accept.size());
    const auto entry = accept.substr(0, comma);
    accept.remove_prefix(std::min(comma + 1, accept.size()));
    const auto name = trim(entry.substr(0, entry.find(';')));
    const auto quality = quality_of(entry.substr(std::min(entry.find(';'), entry.size())));
    for (const auto& type : media_types) {
      if (type.name == name && quality > best_quality) {
        best = type.format;
        best_quality = quality;
      }
    }
    if (name == "*/*" && quality > best_quality) {
      best = otherwise;
      best_quality = quality;
    }
  }
  return best;
}

StreamWriter::StreamWriter(StreamFormat format, StreamShape shape)
    : format_(format), shape_(shape) {}

StreamHead StreamWriter::head() const {
  StreamHead head;
  head.headers.push_back({"Cache-Control", "no-store"});
  if (format_ == StreamFormat::sse || shape_.resume != nullptr) head.filler_every = heartbeat;
  switch (format_) {
    case StreamFormat::sse:
      head.headers.push_back({"Content-Type", "text/event-stream"});
      // Proxies of nginx's kind would hold events back.
      head.headers.push_back({"X-Accel-Buffering", "no"});
      head.filler = ":\n\n";
      break;
    case StreamFormat::ndjson:
      head.headers.push_back({"Content-Type", "application/x-ndjson"});
      head.filler = "\n";
      break;
    case StreamFormat::json:
      head.headers.push_back({"Content-Type", "application/json"});
      head.filler = "\n";
      break;
  }
  return head;
}

std::string StreamWriter::opening() const {
  if (shape_.items == nullptr) return "[";
  std::string out = "{";
  append_json_string(out, shape_.items->json_name());
  return out + ":[";
}

void StreamWriter::element(const pb::Message& element, std::string& out) {
  switch (format_) {
    case StreamFormat::json:
      if (any_element_) out += ',';
      write_json(element, out);
      break;
    case StreamFormat::ndjson:
      write_json(element, out, JsonLayout::one_line);
      out += '\n';
      break;
    case StreamFormat::sse:
      if (shape_.id != nullptr) out += fmt::format("id: {}\n", field_text(element, *shape_.id));
      out += "data: ";
      write_json(element, out, JsonLayout::one_line);
      out += "\n\n";
      break;
  }
  any_element_ = true;
}

void StreamWriter::sse_mark(const pb::Message& response, std::string& out) const {
  out += ": {";
  write_json_members(response, shape_.items, out, JsonLayout::one_line);
  out += "}\n";
  if (shape_.cursor != nullptr) {
    const auto cursor = field_text(response, *shape_.cursor);
    // A client that has no place yet is not moved to before the first.
    if (!cursor.empty() && cursor != "0") out += fmt::format("id: {}\n", cursor);
  }
  out += '\n';
}

std::string StreamWriter::message(const pb::Message& response) {
  std::string out;
  if (format_ == StreamFormat::json && !opened_) out = opening();
  opened_ = true;
  if (shape_.items == nullptr) {
    element(response, out);
    return out;
  }
  const auto* reflection = response.GetReflection();
  const int size = reflection->FieldSize(response, shape_.items);
  for (int i = 0; i < size; ++i) {
    element(reflection->GetRepeatedMessage(response, shape_.items, i), out);
  }
  if (size == 0 && format_ == StreamFormat::sse) sse_mark(response, out);
  last_members_.clear();
  write_json_members(response, shape_.items, last_members_, JsonLayout::one_line);
  return out;
}

std::string StreamWriter::end() {
  if (format_ == StreamFormat::sse) {
    return fmt::format("event: end\ndata: {{{}}}\n\n", last_members_);
  }
  if (format_ == StreamFormat::ndjson) return {};
  std::string out = opened_ ? "]" : opening() + "]";
  if (shape_.items == nullptr) return out;
  if (!last_members_.empty()) out += ',';
  return out + last_members_ + '}';
}

std::string StreamWriter::failure(const grpc::Status& status) const {
  switch (format_) {
    case StreamFormat::sse:
      return fmt::format("event: error\ndata: {}\n\n", error_json(status));
    case StreamFormat::ndjson:
      return error_json(status) + "\n";
    case StreamFormat::json:
      break;
  }
  return {};
}

}  // namespace weir::gateway
