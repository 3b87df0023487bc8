#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include <weir/store/sqlite/file.hpp>
#include <weir/store/sqlite/write_connection.hpp>

namespace weir::sqlite {

/// Copies the write-ahead log into the file on a thread of its own, so that it is reused rather
/// than grown and no append waits for it: most of it beside the writer, and the little that came
/// meanwhile while the writer pauses.
/// Threads: any.
class Checkpointer {
 public:
  Checkpointer(std::shared_ptr<File> file, std::shared_ptr<WriteConnection> writer);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

 private:
  void run();
  Result<void> checkpoint();

  std::shared_ptr<File> file_;
  std::shared_ptr<WriteConnection> writer_;
  std::unique_ptr<Session> session_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace weir::sqlite
