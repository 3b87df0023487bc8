#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <weir/base/result.hpp>
#include <weir/security/token.hpp>

namespace weir::security {

/// Bytes that a file of tokens may have.
inline constexpr std::size_t token_file_bytes_max = 16 << 20;

/// A line for each token:
/// {"id":"3f9a1c02","name":"billing","sha256":"…","read":["*"],"append":[],"admin":[],
///  "createdAt":"2024-02-29T10:00:00Z","expiresAt":"2025-02-28T10:00:00Z"}
/// `called` names it in errors: invalid_argument, with the line and what is wrong there.
Result<Tokens> parse_tokens(std::string_view text, std::string_view called);
std::string format_tokens(const Tokens& tokens);

/// Errors: not_found; permission_denied when others than its owner may write it; invalid_argument,
/// also when it is empty or no regular file.
Result<Tokens> read_tokens(const std::string& path);

/// Reads the file (one that is empty or not there holds no tokens), lets `change` change the
/// tokens, and puts a new file in its place, on disk when it returns: readers see the old one or
/// the new one. It has the old one's owner, group and mode (0600 if there was none); a link stays,
/// and what it leads to is replaced. One at a time among all processes. Errors: those of `change`
/// and of reading; permission_denied when the new file can't be given to the old one's owner;
/// unavailable.
Result<void> change_tokens(const std::string& path,
                           const std::function<Result<void>(Tokens&)>& change);

}  // namespace weir::security
