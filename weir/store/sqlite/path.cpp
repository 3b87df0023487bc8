#include <weir/store/sqlite/path.hpp>

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace weir::sqlite {

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

std::optional<FileId> file_id(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return FileId{about.st_dev, about.st_ino};
}

}  // namespace weir::sqlite
