#include <weir/security/token.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <weir/base/json.hpp>

namespace weir::security {
namespace {

constexpr std::string_view prefix = "weir_";
constexpr std::size_t id_chars = 8;
constexpr std::size_t name_bytes_max = 100;
constexpr std::size_t patterns_max = 100;
constexpr std::size_t pattern_chars_max = 63;

Result<void> check(const LogPatterns& patterns, Right right) {
  if (patterns.size() > patterns_max) {
    return past_limit(name_of(right), patterns.size(), patterns_max, "patterns");
  }
  for (const auto& pattern : patterns) {
    const auto wrong = pattern.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_*");
    if (pattern.empty() || wrong != std::string::npos || pattern.size() > pattern_chars_max) {
      return invalid_field(name_of(right),
                           fmt::format("'{}' is not a log's name of 1 to {} of a-z, 0-9, - and _, "
                                       "with * for any of them",
                                       pattern, pattern_chars_max));
    }
  }
  return {};
}

}  // namespace

std::string_view name_of(Right right) {
  switch (right) {
    case Right::read:
      return "read";
    case Right::append:
      return "append";
    case Right::admin:
      return "admin";
  }
  return "";
}

bool matches(std::string_view pattern, std::string_view name) {
  // Where the last '*' was, and how much of the name it has taken so far.
  std::size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool Token::allows(Right right, std::string_view log) const {
  const auto& patterns = right == Right::read     ? rights.read
                         : right == Right::append ? rights.append
                                                  : rights.admin;
  const auto wanted = log.empty() ? std::string_view("default") : log;
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const auto& pattern) { return matches(pattern, wanted); });
}

Result<NewToken> make_token(const TokenRequest& request, Timestamp now,
                            const std::array<std::uint8_t, 32>& chance, std::uint64_t id_chance) {
  if (request.name.empty() || request.name.size() > name_bytes_max || !is_utf8(request.name)) {
    return invalid_field("name",
                         fmt::format("1 to {} bytes of UTF-8 are expected", name_bytes_max));
  }
  const auto& rights = request.rights;
  WEIR_TRY(check(rights.read, Right::read));
  WEIR_TRY(check(rights.append, Right::append));
  WEIR_TRY(check(rights.admin, Right::admin));
  if (rights.read.empty() && rights.append.empty() && rights.admin.empty()) {
    return invalid_field("rights", "give it at least one of --read, --append and --admin");
  }
  if (request.expires_at && *request.expires_at <= now) {
    return invalid_field("expires", "it is past");
  }
  NewToken made;
  made.token = {.id = fmt::format("{:08x}", id_chance & 0xFFFF'FFFF),
                .name = request.name,
                .rights = rights,
                .created_at = now,
                .expires_at = request.expires_at};
  made.secret = fmt::format("{}{}_{}", prefix, made.token.id, to_hex(chance));
  made.token.hash = sha256(made.secret);
  return made;
}

Result<void> Tokens::add(Token token) {
  if (tokens_.size() >= tokens_max) {
    return past_limit("tokens", tokens_.size() + 1, tokens_max, "tokens");
  }
  const auto id = token.id;
  if (!tokens_.emplace(id, std::move(token)).second) {
    return Error{.code = Code::already_exists,
                 .message = fmt::format("token '{}' is there already", id)};
  }
  return {};
}

bool Tokens::remove(std::string_view id) {
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return false;
  tokens_.erase(found);
  return true;
}

const Token* Tokens::find(std::string_view presented) const {
  if (presented.size() != token_chars || !presented.starts_with(prefix)) return nullptr;
  // A secret whose id is unknown is worked on like any other.
  static constexpr Digest nobodys{};
  const auto hash = sha256(presented);
  const auto found = tokens_.find(presented.substr(prefix.size(), id_chars));
  const bool known = found != tokens_.end();
  return equal(hash, known ? found->second.hash : nobodys) && known ? &found->second : nullptr;
}

}  // namespace weir::security
