#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/result.hpp>
#include <weir/base/time.hpp>
#include <weir/security/digest.hpp>

namespace weir::security {

/// What somebody may do with a log. None includes another.
enum class Right : std::uint8_t {
  read,    ///< events, the head, subscriptions, snapshots, tracking
  append,  ///< events and snapshots; a condition tells whether events match, though not which
  admin,   ///< create a log
};

/// "read", "append", "admin".
std::string_view name_of(Right right);

/// Names of logs, of which '*' stands for any characters: "*", "orders", "eu-*".
using LogPatterns = std::vector<std::string>;

/// Whether a name is of the pattern.
bool matches(std::string_view pattern, std::string_view name);

struct Rights {
  LogPatterns read = {};
  LogPatterns append = {};
  LogPatterns admin = {};

  bool operator==(const Rights&) const = default;
};

/// A bearer token as it is kept: without its secret.
struct Token {
  /// Eight hexadecimal digits, which stand in the token and name it in logs.
  std::string id;
  /// For people.
  std::string name;
  /// SHA-256 of the whole token.
  Digest hash{};
  Rights rights;
  Timestamp created_at{};
  /// From then on it is nobody's. Absent: it does not expire.
  std::optional<Timestamp> expires_at = std::nullopt;

  /// An empty log is "default".
  bool allows(Right right, std::string_view log) const;

  bool operator==(const Token&) const = default;
};

/// Characters of a token as it is presented.
inline constexpr std::size_t token_chars = 5 + 8 + 1 + 64;

struct TokenRequest {
  /// 1 to 100 bytes.
  std::string name;
  /// At least one pattern in all.
  Rights rights;
  std::optional<Timestamp> expires_at = std::nullopt;
};

struct NewToken {
  Token token;
  /// "weir_3f9a1c02_…": to be shown once, and kept by nobody but its owner.
  std::string secret;
};

/// Makes a token of 32 bytes of chance (random_secret()) and others for its id.
/// Errors: invalid_argument naming the field.
Result<NewToken> make_token(const TokenRequest& request, Timestamp now,
                            const std::array<std::uint8_t, 32>& chance, std::uint64_t id_chance);

/// The tokens of a server. A value. Threads: any.
class Tokens {
 public:
  static constexpr std::size_t tokens_max = 10'000;

  Tokens() = default;
  /// Errors: already_exists when an id is there, resource_exhausted past tokens_max.
  Result<void> add(Token token);
  /// False when there is none of that id.
  bool remove(std::string_view id);

  /// Whose token this is, expired or not; null when it is nobody's. The time taken tells nothing of
  /// the secrets, only whether an id is known.
  const Token* find(std::string_view presented) const;
  /// By id.
  const std::map<std::string, Token, std::less<>>& all() const { return tokens_; }

 private:
  std::map<std::string, Token, std::less<>> tokens_;
};

}  // namespace weir::security
