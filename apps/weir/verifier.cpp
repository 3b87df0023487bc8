#include <apps/weir/verifier.hpp>

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

#include <weir/base/json.hpp>
#include <weir/base/uuid.hpp>

#include <apps/weir/event_text.hpp>

namespace weir::cli {
namespace {

/// What is wrong, without the advice to run this very command.
std::string finding(const Error& error) {
  return error.message.substr(0, error.message.find("; run 'weir verify'"));
}

/// A digest of a list of positions, for comparing two of them.
struct Positions {
  std::uint64_t count = 0;
  std::uint64_t digest = 0;
  Position last;

  void add(Position position) {
    ++count;
    digest = (digest ^ position.value) * 0x9E3779B97F4A7C15U;
    digest ^= digest >> 29;
    last = position;
  }
  bool operator==(const Positions&) const = default;
};

/// The queries to compare, and what the scan found for each. When there are too many, every other
/// one is dropped, and so on: which are kept depends on their hashes alone.
class Terms {
 public:
  explicit Terms(std::size_t terms_max) : terms_max_(std::max<std::size_t>(terms_max, 1)) {}

  void add(QueryItem item, Position position) {
    auto key = to_json(Query{{std::move(item)}});
    if (!chosen(key)) return;
    found_[std::move(key)].add(position);
    while (found_.size() > terms_max_) {
      ++dropped_bits_;
      std::erase_if(found_, [&](const auto& term) { return !chosen(term.first); });
    }
  }

  bool every_term() const { return dropped_bits_ == 0; }
  const std::map<std::string, Positions>& found() const { return found_; }

 private:
  bool chosen(const std::string& key) const {
    if (dropped_bits_ == 0) return true;
    const auto hash = make_uuid_of(key).bytes;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) bits = bits << 8 | hash[i];
    return dropped_bits_ < 32 && bits >> (32 - dropped_bits_) == 0;
  }

  const std::size_t terms_max_;
  unsigned dropped_bits_ = 0;
  std::map<std::string, Positions> found_;
};

class Verifier {
 public:
  Verifier(EventStore& store, const VerifyOptions& options)
      : store_(store),
        options_(options),
        limits_(options.limits != nullptr ? *options.limits : store.info().limits),
        terms_(options.terms_max) {}

  Result<Verified> run() {
    WEIR_TRY_ASSIGN(head, store_.head());
    head_ = head;
    WEIR_TRY(scan());
    // A query that needs no index shows whether an unreadable event is skipped or reported.
    if (unreadable_ == 0) WEIR_TRY(compare());
    result_.terms = compared_;
    result_.every_term = terms_.every_term();
    return result_;
  }

 private:
  void damage(const std::string& what) {
    ++result_.damages;
    options_.on_damage(what);
  }

  Result<void> scan() {
    ReadRequest request{.until = head_};
    while (request.after < head_) {
      auto step = store_.read_step(request);
      if (!step) {
        if (step.error().code != Code::data_loss) return step.error();
        WEIR_TRY_ASSIGN(cursor, pass_over(request, step.error()));
        request.after = cursor;
        continue;
      }
      for (const auto& event : step->batch) look_at(event);
      if (step->end || step->cursor <= request.after) break;
      request.after = step->cursor;
      options_.on_progress(request.after.value, head_.value);
    }
    if (expected_ <= head_) missing(expected_, head_);
    return {};
  }

  /// Reads one event at a time where a batch cannot be read, up to the next that can.
  Result<Position> pass_over(ReadRequest request, const Error& error) {
    bool gap = false;
    while (request.after < head_) {
      request.until = request.after.next();
      auto one = store_.read_step(request);
      if (!one && one.error().code != Code::data_loss) return one.error();
      if (!one && one.error().details.contains("missing")) {
        gap = true;  // the next event tells how many there are
        request.after = *request.until;
        continue;
      }
      if (!one) {
        damage(fmt::format("position {}: {}", request.until->value, finding(one.error())));
        expected_ = request.until->next();
        if (++unreadable_ == unreadable_max) {
          damage("and perhaps more: the rest of the log was not read");
          expected_ = head_.next();
          return head_;
        }
        return *request.until;
      }
      for (const auto& event : one->batch) look_at(event);
      request.after = *request.until;
    }
    if (unreadable_ == 0 && !gap) damage(finding(error));
    return head_;
  }

  void missing(Position from, Position to) {
    damage(from == to ? fmt::format("position {} is missing", from.value)
                      : fmt::format("positions {} to {} are missing", from.value, to.value));
    expected_ = to.next();
  }

  void look_at(const EventView& event) {
    ++result_.events;
    const auto position = event.position();
    if (position > expected_) missing(expected_, position.previous());
    if (position < expected_) {
      damage(fmt::format("position {} comes after position {}", position.value,
                         expected_.previous().value));
    }
    expected_ = position.next();
    if (event.recorded_at() < recorded_at_) {
      damage(fmt::format("position {}: recorded_at {} is before that of the event before it, {}",
                         position.value, format_timestamp(event.recorded_at()),
                         format_timestamp(recorded_at_)));
    }
    recorded_at_ = std::max(recorded_at_, event.recorded_at());
    check_text(event);
    add_terms(event);
  }

  void check_text(const EventView& event) {
    const auto bad = [&](std::string_view what, std::string_view problem) {
      damage(fmt::format("position {}: {}: {}", event.position().value, what, problem));
    };
    if (is_json(event.content_type())) {
      if (const auto valid = check_json(event.data()); !valid) {
        // check_json() calls the text that it was given "json".
        bad("data", std::string_view(valid.error().message).substr(6));
      }
    }
    if (!is_utf8(event.type())) bad("type", "is not valid UTF-8");
    for (const auto tag : event.tags()) {
      if (!is_utf8(tag)) bad("tag", "is not valid UTF-8");
    }
  }

  void add_term(QueryItem item, Position position) {
    if (check(Query{{item}}, limits_, "query")) return terms_.add(std::move(item), position);
    result_.terms_past_limits = true;
  }

  void add_terms(const EventView& event) {
    const std::string type(event.type());
    const auto position = event.position();
    // An empty term cannot be asked for.
    if (!type.empty()) add_term({.types = {type}}, position);
    std::vector<std::string_view> tags(event.tags());
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    for (const auto tag : tags) {
      if (tag.empty()) continue;
      add_term({.tags = {std::string(tag)}}, position);
      if (!type.empty()) add_term({.types = {type}, .tags = {std::string(tag)}}, position);
    }
    add_indexed_values(event);
  }

  void add_indexed_values(const EventView& event) {
    const auto& keys = store_.info().options.indexed_keys;
    if (keys.empty() || !is_json(event.content_type())) return;
    std::map<std::string, std::string, std::less<>> values;
    for_each_top_level_string(event.data(), [&](std::string_view key, std::string_view value) {
      if (std::find(keys.begin(), keys.end(), key) != keys.end() &&
          value.size() <= Limits{}.predicate_bytes_max) {
        values[std::string(key)] = value;
      }
    });
    for (const auto& [key, value] : values) {
      add_term({.where = {{key, value}}}, event.position());
    }
  }

  Result<void> compare() {
    for (const auto& [text, scanned] : terms_.found()) {
      WEIR_TRY_ASSIGN(query, parse_query(text));
      Positions indexed;
      auto stream = store_.read({.query = std::move(query), .until = head_, .limits = &limits_});
      while (true) {
        WEIR_TRY_ASSIGN(step, stream.next());
        if (!step) break;
        for (const auto& event : step->batch) indexed.add(event.position());
      }
      ++compared_;
      if (indexed == scanned) continue;
      damage(fmt::format(
          "index: {} finds {} events (the last at {}), a full scan {} (the last at "
          "{})",
          printable(text), indexed.count, indexed.last.value, scanned.count, scanned.last.value));
    }
    return {};
  }

  static constexpr std::size_t unreadable_max = 100;

  EventStore& store_;
  const VerifyOptions& options_;
  const Limits& limits_;
  Terms terms_;
  Position head_;
  Position expected_{1};
  Timestamp recorded_at_ = Timestamp::min();
  std::size_t unreadable_ = 0;
  std::uint64_t compared_ = 0;
  Verified result_;
};

}  // namespace

Result<Verified> verify_log(EventStore& store, const VerifyOptions& options) {
  return Verifier(store, options).run();
}

}  // namespace weir::cli
