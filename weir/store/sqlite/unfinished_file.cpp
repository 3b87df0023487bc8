#include <weir/store/sqlite/unfinished_file.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include <weir/store/sqlite/path.hpp>

namespace weir::sqlite {
namespace {

std::string part_of(const std::string& destination) {
  return destination + ".part";
}

std::string lock_of(const std::string& destination) {
  return part_of(destination) + "-lock";
}

Error failed(const std::string& path) {
  return {.code = Code::unknown,
          .message = fmt::format("'{}': {}", path,
                                 std::error_code(errno, std::system_category()).message())};
}

Error exists(const std::string& path, std::string_view more = "") {
  return {.code = Code::already_exists,
          .reason = Reason::unspecified,
          .message = fmt::format("'{}' exists already{}", path, more)};
}

/// SQLite would take a write-ahead log for that of the new file, and write it over that.
Result<void> must_be_free(const std::string& path) {
  if (std::filesystem::exists(path)) return exists(path);
  for (const auto* suffix : {"-wal", "-journal"}) {
    if (!std::filesystem::exists(path + suffix)) continue;
    if (std::filesystem::exists(path)) return exists(path);  // it came with its database just now
    return Error{.code = Code::failed_precondition,
                 .reason = Reason::unspecified,
                 .message = fmt::format("'{}{}' is there without its database, and may hold the "
                                        "last of what that held: put '{}' back beside it, or move "
                                        "it away",
                                        path, suffix, path)};
  }
  return {};
}

Result<void> sync_folder_of(const std::string& path) {
  auto folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return failed(folder);
  const bool synced = ::fsync(opened) == 0;
  const auto error = failed(folder);
  ::close(opened);
  if (!synced) return error;
  return {};
}

}  // namespace

UnfinishedFile::UnfinishedFile(std::string destination, int lock)
    : destination_(std::move(destination)),
      path_(part_of(destination_)),
      lock_path_(lock_of(destination_)),
      lock_(lock) {}

UnfinishedFile::~UnfinishedFile() {
  if (taken_) remove();
  if (locked_) ::unlink(lock_path_.c_str());
  ::close(lock_);
}

/// The file itself is SQLite's alone to open: when a process closes any descriptor of a file, all
/// its locks on that are gone, and another thread may have opened it by its new name.
Result<std::unique_ptr<UnfinishedFile>> UnfinishedFile::create(const std::string& destination,
                                                               Others others) {
  WEIR_TRY(must_be_free(destination));
  const int lock = ::open(lock_of(destination).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return failed(part_of(destination));
  std::unique_ptr<UnfinishedFile> unfinished(new UnfinishedFile(destination, lock));
  WEIR_TRY(unfinished->take(others));
  return unfinished;
}

Result<void> UnfinishedFile::take(Others others) {
  const auto theirs = exists(path_, ", and somebody else is writing it");
  const int how = others == Others::wait ? LOCK_EX : LOCK_EX | LOCK_NB;
  if (::flock(lock_, how) != 0) return errno == EWOULDBLOCK ? theirs : failed(path_);
  // Before the lock was free whoever had it may have finished, and another begun.
  struct stat locked {};
  if (::fstat(lock_, &locked) != 0) return failed(path_);
  if (file_id(lock_path_) != FileId{locked.st_dev, locked.st_ino}) return theirs;
  locked_ = true;
  WEIR_TRY(check_leftover());
  // Another may have finished before this one's lock was made.
  WEIR_TRY(must_be_free(destination_));
  remove();
  taken_ = true;
  return {};
}

/// A file that is none of ours is not to be lost. The first page is the last that SQLite writes.
Result<void> UnfinishedFile::check_leftover() const {
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return {};
  if (file < 0) return failed(path_);
  constexpr std::string_view magic("SQLite format 3\0", 16);
  std::array<char, magic.size()> begin{};
  const auto read = ::pread(file, begin.data(), begin.size(), 0);
  const auto unread = failed(path_);
  ::close(file);
  if (read < 0) return unread;
  const std::string_view is(begin.data(), static_cast<std::size_t>(read));
  if (is == magic || is.find_first_not_of('\0') == std::string_view::npos) return {};
  return exists(path_, ", and is not what a copy leaves that was broken off");
}

Result<void> UnfinishedFile::finish() {
  WEIR_TRY(must_be_free(destination_));
  if (::rename(path_.c_str(), destination_.c_str()) != 0) return failed(destination_);
  taken_ = false;
  return sync_folder_of(destination_);
}

void UnfinishedFile::remove() const {
  for (const auto* suffix : {"", "-wal", "-shm", "-journal"}) {
    ::unlink((path_ + suffix).c_str());  // mostly not there
  }
}

}  // namespace weir::sqlite
