#include <apps/weir/files.hpp>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

namespace weir::cli {
namespace {

Error file_error(const std::string& name) {
  return {.code = Code::unknown, .message = fmt::format("{}: {}", name, std::strerror(errno))};
}

}  // namespace

Result<File> open_file(const std::string& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode));
  if (!file) return file_error(path);
  return file;
}

Result<std::string> read_all(std::FILE* file, const std::string& name, std::size_t bytes_max) {
  std::string content;
  std::vector<char> buffer(1 << 16);
  while (const auto bytes = std::fread(buffer.data(), 1, buffer.size(), file)) {
    if (content.size() + bytes > bytes_max) {
      return invalid_field(name, fmt::format("is longer than {} bytes", bytes_max));
    }
    content.append(buffer.data(), bytes);
  }
  if (std::ferror(file) != 0) return file_error(name);
  return content;
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  WEIR_TRY_ASSIGN(file, open_file(path, "rb"));
  return read_all(file.get(), path, bytes_max);
}

Result<File> seekable(File file, const std::string& name) {
  if (std::fseek(file.get(), 0, SEEK_CUR) == 0) return file;
  File copy(std::tmpfile());
  if (!copy) return file_error("a temporary file");
  std::vector<char> buffer(1 << 16);
  while (const auto bytes = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    if (std::fwrite(buffer.data(), 1, bytes, copy.get()) != bytes) {
      return file_error("a temporary file");
    }
  }
  if (std::ferror(file.get()) != 0) return file_error(name);
  if (std::fflush(copy.get()) != 0) return file_error("a temporary file");
  return copy;
}

}  // namespace weir::cli
