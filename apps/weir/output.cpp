#include <apps/weir/output.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <unistd.h>

namespace weir::cli {

bool Output::failed() {
  error_ = errno == 0 ? EIO : errno;
  return false;
}

bool Output::write(std::string_view text) {
  if (error_ != 0) return false;
  errno = 0;
  return std::fwrite(text.data(), 1, text.size(), file_) == text.size() || failed();
}

bool Output::flush() {
  if (error_ != 0) return false;
  errno = 0;
  return std::fflush(file_) == 0 || failed();
}

Result<Exit> Output::finish(Exit exit) {
  flush();
  if (error_ == 0 || error_ == EPIPE) return exit;
  return Error{.code = Code::unknown,
               .message = fmt::format("the output cannot be written: {}", std::strerror(error_))};
}

void tell(const Program& program, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), program.err);
}

bool is_terminal(std::FILE* file) {
  const int descriptor = ::fileno(file);
  return descriptor >= 0 && ::isatty(descriptor) == 1;
}

bool in_colour(std::FILE* file) {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return is_terminal(file) && (refused == nullptr || *refused == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

}  // namespace weir::cli
