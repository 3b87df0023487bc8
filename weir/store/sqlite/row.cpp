#include <weir/store/sqlite/row.hpp>

#include <cstring>

#include <fmt/format.h>
#include <boost/json.hpp>

#include <weir/base/json.hpp>

namespace weir::sqlite {
namespace {

/// Splits JSON strings separated by one of `separators`, as append_json_string() writes them and
/// without other white space. Strings with escapes are put into `unescaped`. False when it is not
/// of that form.
bool split_strings(std::string_view text, std::string_view separators,
                   std::vector<std::string_view>& out, std::deque<std::string>& unescaped) {
  while (!text.empty()) {
    if (text.front() != '"') return false;
    std::size_t end = 1;
    bool escapes = false;
    while (true) {
      const auto* quote =
          static_cast<const char*>(std::memchr(text.data() + end, '"', text.size() - end));
      if (quote == nullptr) return false;
      const auto at = static_cast<std::size_t>(quote - text.data());
      const auto part = text.substr(end, at - end);
      if (part.find('\\') == std::string_view::npos) {
        end = at;
        break;
      }
      escapes = true;
      // An odd number of backslashes before the quote makes it part of the string.
      std::size_t backslashes = 0;
      while (backslashes < at - 1 && text[at - 1 - backslashes] == '\\') ++backslashes;
      end = at;
      if (backslashes % 2 == 0) break;
      ++end;
    }
    if (escapes) {
      boost::json::error_code error;
      const auto value = boost::json::parse({text.data(), end + 1}, error);
      if (error || !value.is_string()) return false;
      out.push_back(unescaped.emplace_back(value.get_string()));
    } else {
      out.push_back(text.substr(1, end - 1));
    }
    text.remove_prefix(end + 1);
    if (text.empty()) return true;
    if (separators.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    if (text.empty()) return false;
  }
  return true;
}

bool enclosed(std::string_view text, char open, char close) {
  return text.size() >= 2 && text.front() == open && text.back() == close;
}

}  // namespace

Error RowReader::unreadable(std::string_view column) const {
  return damaged(fmt::format("event {}: column {} can't be read", fields_.position.value, column));
}

Result<void> RowReader::read_tags(std::string_view json) {
  fields_.tags.clear();
  if (!enclosed(json, '[', ']') ||
      !split_strings(json.substr(1, json.size() - 2), ",", fields_.tags, unescaped_)) {
    return unreadable("tags");
  }
  return {};
}

Result<void> RowReader::read_metadata(std::string_view json) {
  fields_.metadata.clear();
  if (json.empty()) return {};
  strings_.clear();
  if (!enclosed(json, '{', '}') ||
      !split_strings(json.substr(1, json.size() - 2), ":,", strings_, unescaped_) ||
      strings_.size() % 2 != 0) {
    return unreadable("metadata");
  }
  for (std::size_t i = 0; i < strings_.size(); i += 2) {
    fields_.metadata.emplace_back(strings_[i], strings_[i + 1]);
  }
  return {};
}

Result<const EventFields*> RowReader::read(const Statement& row) {
  if (!unescaped_.empty()) unescaped_.clear();
  fields_.position = Position(static_cast<std::uint64_t>(row.integer(0)));
  fields_.type = row.text(1);
  WEIR_TRY(read_tags(row.text(2)));
  fields_.data = row.text(3);
  const auto id = row.text(4);
  if (id.size() != 16 && !id.empty()) return unreadable("id");
  if (!id.empty()) std::memcpy(id_.bytes.data(), id.data(), 16);
  fields_.id = id.empty() ? nullptr : &id_;
  fields_.content_type = row.text(5);
  WEIR_TRY(read_metadata(row.text(6)));
  fields_.occurred_at = from_micros(row.integer(7));
  fields_.recorded_at = from_micros(row.integer(8));
  fields_.tracking_source = row.text(9);
  fields_.tracking_position =
      fields_.tracking_source.empty() ? 0 : static_cast<std::uint64_t>(row.integer(10));
  return &fields_;
}

Result<RowWriter> RowWriter::create(Session& session) {
  WEIR_TRY_ASSIGN(insert, session.prepare("INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"));
  return RowWriter(std::move(insert));
}

Result<std::optional<engine::Mark>> mark_at(Statement& select, Position position) {
  select.bind(1, static_cast<std::int64_t>(position.value));
  WEIR_TRY_ASSIGN(there, select.step());
  std::optional<engine::Mark> mark;
  if (there) {
    mark = {.position = position,
            .checksum = static_cast<std::uint64_t>(select.integer(1)),
            .recorded_at = from_micros(select.integer(0))};
  }
  select.reset();
  return mark;
}

Result<void> RowWriter::insert(const engine::NewEvent& event, Timestamp recorded_at) {
  const auto& e = *event.event;
  tags_ = '[';
  for (const auto& tag : e.tags) {
    if (tags_.size() > 1) tags_ += ',';
    append_json_string(tags_, tag);
  }
  tags_ += ']';
  insert_.bind(1, static_cast<std::int64_t>(event.position.value));
  insert_.bind_text(2, e.type);
  insert_.bind_text(3, tags_);
  if (is_json(e.content_type)) {
    insert_.bind_text(4, e.data);
  } else {
    insert_.bind_blob(4, e.data);
  }
  if (e.id) {
    insert_.bind_blob(5, {reinterpret_cast<const char*>(e.id->bytes.data()), 16});
  } else {
    insert_.bind_null(5);
  }
  if (e.content_type.empty()) {
    insert_.bind_null(6);
  } else {
    insert_.bind_text(6, e.content_type);
  }
  if (e.metadata.empty()) {
    insert_.bind_null(7);
  } else {
    metadata_ = '{';
    for (const auto& [key, value] : e.metadata) {
      if (metadata_.size() > 1) metadata_ += ',';
      append_json_string(metadata_, key);
      metadata_ += ':';
      append_json_string(metadata_, value);
    }
    metadata_ += '}';
    insert_.bind_text(7, metadata_);
  }
  insert_.bind(8, to_micros(event.occurred_at));
  insert_.bind(9, to_micros(recorded_at));
  if (event.tracking != nullptr) {
    insert_.bind_text(10, event.tracking->source);
    insert_.bind(11, static_cast<std::int64_t>(event.tracking->position));
  } else {
    insert_.bind_null(10);
    insert_.bind_null(11);
  }
  insert_.bind(12, static_cast<std::int64_t>(event.checksum));
  return insert_.run();
}

}  // namespace weir::sqlite
