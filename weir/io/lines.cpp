#include <weir/io/lines.hpp>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace weir::io {

LineReader::LineReader(std::FILE* file, std::size_t line_bytes_max)
    : file_(file), line_bytes_max_(line_bytes_max), buffer_(64 << 10, '\0') {}

void LineReader::restart() {
  begin_ = end_ = 0;
  number_ = bytes_ = 0;
}

bool LineReader::fill() {
  begin_ = 0;
  end_ = std::fread(buffer_.data(), 1, buffer_.size(), file_);
  return end_ > 0;
}

Result<LineReader::Next> LineReader::next() {
  line_.clear();
  bool any = false, too_long = false, ended = false;
  while (!ended && (begin_ < end_ || fill())) {
    any = true;
    const auto* from = buffer_.data() + begin_;
    const auto* line_end = static_cast<const char*>(std::memchr(from, '\n', end_ - begin_));
    ended = line_end != nullptr;
    const auto size = ended ? static_cast<std::size_t>(line_end - from) : end_ - begin_;
    // One byte more than the limit may be a CR, which does not count.
    too_long = too_long || line_.size() + size > line_bytes_max_ + 1;
    if (!too_long) line_.append(from, size);
    const auto taken = size + (ended ? 1 : 0);
    begin_ += taken;
    bytes_ += taken;
  }
  if (std::ferror(file_) != 0) {
    return Error{.code = Code::unknown,
                 .message = fmt::format("the file cannot be read: {}", std::strerror(errno))};
  }
  if (!any) return Next::end;
  ++number_;
  if (ended && !line_.empty() && line_.back() == '\r') line_.pop_back();
  return too_long || line_.size() > line_bytes_max_ ? Next::too_long : Next::line;
}

}  // namespace weir::io
