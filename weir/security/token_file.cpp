#include <weir/security/token_file.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <boost/json.hpp>

#include <weir/base/json.hpp>

namespace weir::security {
namespace {

namespace json = boost::json;

/// A file descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }

 private:
  const int number_;
};

Error failed(Code code, const std::string& path, std::string_view what) {
  return {.code = code,
          .message = fmt::format("{}: {}: {}", path, what, std::generic_category().message(errno))};
}

/// Reads the members of one token; the first thing that is wrong stays.
class Line {
 public:
  explicit Line(const json::object& object) : object_(object) {}

  std::string text(std::string_view name) {
    const auto* value = member(name);
    if (value == nullptr || !value->is_string()) return fail(name, "a text is expected"), "";
    return std::string(value->as_string());
  }
  LogPatterns list(std::string_view name) {
    LogPatterns out;
    const auto* value = member(name);
    if (value == nullptr || !value->is_array()) return fail(name, "a list is expected"), out;
    for (const auto& element : value->as_array()) {
      if (!element.is_string()) return fail(name, "a list of texts is expected"), out;
      out.emplace_back(element.as_string());
    }
    return out;
  }
  Timestamp time(std::string_view name) {
    const auto parsed = parse_timestamp(text(name));
    if (!parsed) return fail(name, parsed.error().message), Timestamp();
    return *parsed;
  }
  Digest digest(std::string_view name) {
    const auto parsed = digest_from_hex(text(name));
    if (!parsed) return fail(name, "64 hexadecimal digits in lower case are expected"), Digest();
    return *parsed;
  }
  bool has(std::string_view name) const { return object_.contains(name); }
  void fail(std::string_view name, std::string_view what) {
    if (problem_.empty()) problem_ = fmt::format("{}: {}", name, what);
  }
  /// Empty when all was well, and nothing was there that nobody asked for.
  std::string problem() {
    for (const auto& entry : object_) {
      if (!asked_.contains(std::string(entry.key()))) fail(entry.key(), "it is unknown");
    }
    return problem_;
  }

 private:
  const json::value* member(std::string_view name) {
    asked_.emplace(name);
    return object_.if_contains(name);
  }

  const json::object& object_;
  std::set<std::string> asked_;
  std::string problem_;
};

Result<Token> parse_line(std::string_view text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  if (error || !value.is_object()) return invalid("it is not a JSON object");
  Line line(value.get_object());
  Token token{.id = line.text("id"),
              .name = line.text("name"),
              .hash = line.digest("sha256"),
              .rights = {.read = line.list("read"),
                         .append = line.list("append"),
                         .admin = line.list("admin")},
              .created_at = line.time("createdAt")};
  if (line.has("expiresAt")) token.expires_at = line.time("expiresAt");
  if (token.id.size() != 8 || token.id.find_first_not_of("0123456789abcdef") != std::string::npos) {
    line.fail("id", "eight hexadecimal digits in lower case are expected");
  }
  if (auto problem = line.problem(); !problem.empty()) return invalid(std::move(problem));
  return token;
}

void append_list(std::string& out, std::string_view name, const LogPatterns& patterns) {
  out += fmt::format(",\"{}\":[", name);
  for (const auto& pattern : patterns) {
    if (out.back() != '[') out += ',';
    append_json_string(out, pattern);
  }
  out += ']';
}

Result<std::string> read_all(int file, const std::string& path) {
  std::string text;
  char piece[16 * 1024];
  while (true) {
    const auto count = ::read(file, piece, sizeof piece);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(Code::not_found, path, "can't be read");
    if (count == 0) return text;
    text.append(piece, static_cast<std::size_t>(count));
    if (text.size() > token_file_bytes_max) {
      return invalid(fmt::format("{}: it is larger than {} bytes", path, token_file_bytes_max));
    }
  }
}

Result<void> write_all(int file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(Code::unavailable, path, "can't be written");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(file) != 0) return failed(Code::unavailable, path, "can't be put on disk");
  return {};
}

struct ReadFile {
  std::string text;
  struct stat about {};
};

Result<ReadFile> read_file(const std::string& path) {
  // Without O_NONBLOCK a pipe in the file's place would be waited for.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  ReadFile out;
  if (!file.valid() || ::fstat(file.get(), &out.about) != 0) {
    return failed(Code::not_found, path, "can't be read");
  }
  if (!S_ISREG(out.about.st_mode)) return invalid(fmt::format("{}: it is no regular file", path));
  if ((out.about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{
        .code = Code::permission_denied,
        .message = fmt::format("{}: others than its owner may write it: chmod 600 it", path)};
  }
  WEIR_TRY_ASSIGN(text, read_all(file.get(), path));
  out.text = std::move(text);
  return out;
}

/// The file that a path leads to, or the path itself when nothing is there.
Result<std::string> behind_links(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  if (!error) return real.string();
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) {
    return Error{.code = Code::not_found,
                 .message = fmt::format("{}: it is a link that leads to no file", path)};
  }
  return path;
}

/// Whoever could read the file that it replaces can read it too, and nobody else.
Result<void> make_like(int file, const struct stat& before, const std::string& path) {
  struct stat now {};
  if (::fstat(file, &now) != 0) return failed(Code::unavailable, path, "can't be looked at");
  const bool same = now.st_uid == before.st_uid && now.st_gid == before.st_gid;
  if (!same && ::fchown(file, before.st_uid, before.st_gid) != 0) {
    return failed(Code::permission_denied, path, "can't be given to the owner that it had");
  }
  if (::fchmod(file, before.st_mode & 07777) != 0) {
    return failed(Code::permission_denied, path, "can't be given the mode that it had");
  }
  return {};
}

Result<void> write_file(const std::string& path, std::string_view text,
                        const std::optional<struct stat>& like) {
  ::unlink(path.c_str());
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) return failed(Code::unavailable, path, "can't be made");
  auto written = like ? make_like(file.get(), *like, path) : Result<void>();
  if (written) written = write_all(file.get(), text, path);
  if (!written) ::unlink(path.c_str());
  return written;
}

}  // namespace

Result<Tokens> parse_tokens(std::string_view text, std::string_view called) {
  Tokens tokens;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    auto token = parse_line(line);
    auto added = token ? tokens.add(std::move(*token)) : Result<void>(token.error());
    if (!added) return invalid(fmt::format("{}:{}: {}", called, number, added.error().message));
  }
  return tokens;
}

std::string format_tokens(const Tokens& tokens) {
  std::string out = "# Made by 'weir token'. The tokens themselves are not in here.\n";
  for (const auto& [id, token] : tokens.all()) {
    out += fmt::format("{{\"id\":\"{}\",\"name\":", id);
    append_json_string(out, token.name);
    out += fmt::format(",\"sha256\":\"{}\"", to_hex(token.hash));
    append_list(out, "read", token.rights.read);
    append_list(out, "append", token.rights.append);
    append_list(out, "admin", token.rights.admin);
    out += fmt::format(",\"createdAt\":\"{}\"", format_timestamp(token.created_at));
    if (token.expires_at) {
      out += fmt::format(",\"expiresAt\":\"{}\"", format_timestamp(*token.expires_at));
    }
    out += "}\n";
  }
  return out;
}

Result<Tokens> read_tokens(const std::string& path) {
  WEIR_TRY_ASSIGN(file, read_file(path));
  // Whoever wrote it last left a line at least: this one was cut off, or is not the one that is
  // meant.
  if (file.text.empty()) return invalid(fmt::format("{}: it is empty", path));
  return parse_tokens(file.text, path);
}

Result<void> change_tokens(const std::string& path,
                           const std::function<Result<void>(Tokens&)>& change) {
  WEIR_TRY_ASSIGN(real, behind_links(path));
  const auto parent = std::filesystem::path(real).parent_path();
  const auto folder_path = parent.empty() ? std::string(".") : parent.string();
  // The folder is what stays while the file is replaced, so it is what is locked.
  const Descriptor folder(::open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return failed(Code::not_found, folder_path, "can't be opened");
  if (::flock(folder.get(), LOCK_EX) != 0) {
    return failed(Code::unavailable, folder_path, "can't be locked");
  }
  Tokens tokens;
  std::optional<struct stat> before;
  if (const auto read = read_file(real)) {
    WEIR_TRY_ASSIGN(parsed, parse_tokens(read->text, real));
    tokens = std::move(parsed);
    before = read->about;
  } else if (read.error().code != Code::not_found || std::filesystem::exists(real)) {
    return read.error();
  }
  WEIR_TRY(change(tokens));
  const auto fresh = real + ".new";
  WEIR_TRY(write_file(fresh, format_tokens(tokens), before));
  if (::rename(fresh.c_str(), real.c_str()) != 0) {
    return failed(Code::unavailable, real, "can't be replaced");
  }
  if (::fsync(folder.get()) != 0) return failed(Code::unavailable, folder_path, "can't be synced");
  return {};
}

}  // namespace weir::security
