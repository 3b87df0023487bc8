#include <weir/gateway/path_template.hpp>

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include <weir/gateway/url.hpp>

namespace weir::gateway {

/// Template = "/" Segments [":" Verb];
/// Segment = "*" | "**" | literal | "{" Field ["=" Segments] "}".
class PathTemplate::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<PathTemplate> parse() {
    if (!take('/')) return fail("it must begin with '/'");
    WEIR_TRY(segments(false));
    if (take(':')) {
      made_.verb_ = text_.substr(at_);
      if (made_.verb_.empty() || made_.verb_.find_first_of("/{}*:") != std::string::npos) {
        return fail("the verb after ':' must be a plain word");
      }
      at_ = text_.size();
    }
    if (at_ != text_.size()) return fail(fmt::format("'{}' was not expected", text_[at_]));
    const auto rest = std::find_if(made_.segments_.begin(), made_.segments_.end(),
                                   [](const Segment& s) { return s.kind == Kind::rest; });
    if (rest != made_.segments_.end() && rest + 1 != made_.segments_.end()) {
      return fail("'**' must be the last segment");
    }
    return std::move(made_);
  }

 private:
  Error fail(std::string_view what) const {
    return invalid_field("path template", fmt::format("'{}': {}", text_.substr(0, 256), what));
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<void> segments(bool inside) {
    do {
      WEIR_TRY(segment(inside));
    } while (take('/'));
    return {};
  }

  Result<void> segment(bool inside) {
    if (!inside && take('{')) return variable();
    if (take('*')) {
      made_.segments_.push_back({take('*') ? Kind::rest : Kind::one, {}});
      return {};
    }
    const auto end = std::min(text_.find_first_of("/{}*:=", at_), text_.size());
    if (end == at_) return fail("a segment is empty");
    made_.segments_.push_back({Kind::literal, std::string(text_.substr(at_, end - at_))});
    at_ = end;
    return {};
  }

  Result<void> variable() {
    const auto end = std::min(text_.find_first_of("=}", at_), text_.size());
    Variable made{std::string(text_.substr(at_, end - at_)), made_.segments_.size(), 0};
    constexpr auto allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    if (made.field.empty() || made.field.find_first_not_of(allowed) != std::string::npos) {
      return fail("a variable must name a field");
    }
    at_ = end;
    if (take('=')) {
      WEIR_TRY(segments(true));
    } else {
      made_.segments_.push_back({Kind::one, {}});
    }
    if (!take('}')) return fail("a '}' is missing");
    made.end = made_.segments_.size();
    made_.variables_.push_back(std::move(made));
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  PathTemplate made_;
};

Result<PathTemplate> PathTemplate::parse(std::string_view text) {
  return Parser(text).parse();
}

std::optional<PathTemplate::Bindings> PathTemplate::match(std::string_view path) const {
  if (!path.starts_with('/')) return {};
  path.remove_prefix(1);
  if (!verb_.empty()) {
    if (path.size() <= verb_.size() || !path.ends_with(verb_)) return {};
    path.remove_suffix(verb_.size());
    if (!path.ends_with(':')) return {};
    path.remove_suffix(1);
  }
  std::vector<std::string_view> parts;
  for (bool more = true; more;) {
    const auto slash = path.find('/');
    more = slash != std::string_view::npos;
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(more ? slash + 1 : path.size());
  }

  const bool open = !segments_.empty() && segments_.back().kind == Kind::rest;
  const auto fixed = segments_.size() - (open ? 1 : 0);
  if (open ? parts.size() < fixed : parts.size() != fixed) return {};
  for (std::size_t i = 0; i < fixed; ++i) {
    if (segments_[i].kind == Kind::one && parts[i].empty()) return {};
    if (segments_[i].kind == Kind::literal &&
        decode_percent(parts[i], PercentDecoding::all) != segments_[i].literal) {
      return {};
    }
  }

  Bindings bindings;
  for (const auto& variable : variables_) {
    const auto end = open && variable.end == segments_.size() ? parts.size() : variable.end;
    const bool many =
        variable.end - variable.begin > 1 || segments_[variable.begin].kind == Kind::rest;
    std::string value;
    for (std::size_t i = variable.begin; i < end; ++i) {
      const auto part =
          decode_percent(parts[i], many ? PercentDecoding::except_slash : PercentDecoding::all);
      if (!part) return {};
      if (i > variable.begin) value += '/';
      value += *part;
    }
    bindings.emplace_back(variable.field, std::move(value));
  }
  return bindings;
}

std::vector<std::string> PathTemplate::variables() const {
  std::vector<std::string> fields;
  for (const auto& variable : variables_) fields.push_back(variable.field);
  return fields;
}

std::string PathTemplate::simple() const {
  std::string out;
  auto variable = variables_.begin();
  for (std::size_t i = 0; i < segments_.size();) {
    out += '/';
    if (variable != variables_.end() && variable->begin == i) {
      out += fmt::format("{{{}}}", variable->field);
      i = variable++->end;
      continue;
    }
    out += segments_[i].kind == Kind::literal ? segments_[i].literal
           : segments_[i].kind == Kind::one   ? "*"
                                              : "**";
    ++i;
  }
  return verb_.empty() ? out : out + ":" + verb_;
}

bool PathTemplate::more_specific_than(const PathTemplate& other) const {
  if (verb_.empty() != other.verb_.empty()) return !verb_.empty();
  const auto by_kind = [](const Segment& a, const Segment& b) { return a.kind < b.kind; };
  return std::lexicographical_compare(segments_.begin(), segments_.end(), other.segments_.begin(),
                                      other.segments_.end(), by_kind);
}

}  // namespace weir::gateway
