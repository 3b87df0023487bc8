#include <weir/store/sqlite/path.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include <weir/store/limits.hpp>

namespace weir::sqlite {
namespace {

/// Whether it may be a file that lies beside a log's, such as "library.orders-wal".
bool is_companion(std::string_view file) {
  constexpr std::array<std::string_view, 6> suffixes = {"-wal",     "-shm",  "-journal",
                                                        "-indexer", ".part", ".part-lock"};
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return file.ends_with(suffix); });
}

}  // namespace

Result<std::string> real_path(const std::string& path) {
  constexpr int links_max = 40;
  std::error_code error;
  auto named = std::filesystem::absolute(path, error);
  // A link to what is not there yet: weakly_canonical() would stop at the link.
  const auto is_link = [](const std::filesystem::path& file) {
    std::error_code not_there;
    return std::filesystem::is_symlink(std::filesystem::symlink_status(file, not_there));
  };
  for (int links = 0; !error && links < links_max && is_link(named); ++links) {
    const auto target = std::filesystem::read_symlink(named, error);
    named = named.parent_path() / target;
  }
  const auto real = error ? named : std::filesystem::weakly_canonical(named, error);
  if (error) return unavailable(fmt::format("'{}': {}", path, error.message()));
  return real.string();
}

std::string path_of(const std::string& default_path, const std::string& log) {
  if (log == default_log) return default_path;
  const std::filesystem::path path(default_path);
  const auto file = path.stem().string() + "." + log + path.extension().string();
  return (path.parent_path() / file).string();
}

std::optional<std::string> log_at(const std::string& default_path, const std::string& file) {
  const std::filesystem::path path(default_path);
  if (file == path.filename().string()) return std::string(default_log);
  const auto prefix = path.stem().string() + ".";
  const auto suffix = path.extension().string();
  const auto added = prefix.size() + suffix.size();
  if (file.size() <= added || !file.starts_with(prefix) || !file.ends_with(suffix) ||
      (suffix.empty() && is_companion(file))) {
    return std::nullopt;
  }
  auto name = file.substr(prefix.size(), file.size() - added);
  if (name == default_log || !check_log_name(name)) return std::nullopt;
  return name;
}

std::optional<FileId> file_id(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return FileId{about.st_dev, about.st_ino};
}

}  // namespace weir::sqlite
