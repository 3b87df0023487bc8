#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <weir/base/result.hpp>

namespace weir::sqlite {

/// A file that is written under another name, "DESTINATION.part", until it is whole. Locked, by
/// "DESTINATION.part-lock" beside it, so that of two who write the same the second is refused, or
/// waits until the first has finished or given up; what one that was killed has left behind is
/// begun anew. Threads: one at a time. Ownership: removes what is not finished, and SQLite's files
/// beside it; SQLite must have closed it by then.
class UnfinishedFile {
 public:
  enum class Others : std::uint8_t { refuse, wait };
  /// Errors: already_exists (the destination; or the file of that other name, and somebody else is
  /// or was writing it, or it is no SQLite database), unknown.
  static Result<std::unique_ptr<UnfinishedFile>> create(const std::string& destination,
                                                        Others others = Others::refuse);
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  /// Not there at first.
  const std::string& path() const { return path_; }
  /// Gives it its name, on disk.
  /// Errors: already_exists, unknown.
  Result<void> finish();

 private:
  UnfinishedFile(std::string destination, int lock);
  Result<void> take(Others others);
  Result<void> check_leftover() const;
  void remove() const;

  const std::string destination_;
  const std::string path_;
  const std::string lock_path_;
  const int lock_;
  /// The lock is held and the name is still that file's.
  bool locked_ = false;
  /// What is at path() is this one's.
  bool taken_ = false;
};

}  // namespace weir::sqlite
