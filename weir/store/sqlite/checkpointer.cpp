#include <weir/store/sqlite/checkpointer.hpp>

#include <pthread.h>

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace weir::sqlite {
namespace {

/// Looks at the length of the log; more seldom while nothing is written.
constexpr std::chrono::milliseconds look_at_log_every{20};
constexpr std::chrono::milliseconds look_at_log_every_max{640};
constexpr int page_bytes = 8192;
/// Pages that may be copied while the writer pauses: a few milliseconds.
constexpr int last_pages_max = 256;
/// Rounds beside the writer before the rest is copied anyway. Each leaves what was written while it
/// ran, some half of what it copied under the heaviest load.
constexpr int rounds_max = 12;

}  // namespace

Checkpointer::Checkpointer(std::shared_ptr<File> file, std::shared_ptr<WriteConnection> writer)
    : file_(std::move(file)), writer_(std::move(writer)), thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
}

void Checkpointer::run() {
  pthread_setname_np(pthread_self(), "weir-checkpoint");
  const auto pages_max = file_->options().checkpoint_bytes / page_bytes;
  auto pause = look_at_log_every;
  int pages = 0;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, pause, [this] { return stopping_; })) {
    const int before = std::exchange(pages, writer_->wal_pages());
    pause = pages == before ? std::min(pause * 2, look_at_log_every_max) : look_at_log_every;
    if (pages < pages_max) continue;
    lock.unlock();
    if (const auto done = checkpoint(); !done) {
      spdlog::warn("checkpoint of '{}': {}", file_->options().path, to_string(done.error()));
      session_.reset();
    }
    lock.lock();
  }
}

Result<void> Checkpointer::checkpoint() {
  if (!session_) {
    auto options = file_->options();
    options.create = false;
    WEIR_TRY_ASSIGN(session, open_for_writing(options));
    session_ = std::make_unique<Session>(std::move(session));
  }
  for (int round = 0; round < rounds_max; ++round) {
    WEIR_TRY_ASSIGN(done, session_->checkpoint());
    // A reader is in the way, or another process is at it: neither will be next time.
    if (!done.whole()) return {};
    // Else the last round would have the disk take all of it, while the writer waits.
    WEIR_TRY(session_->sync_database_file());
    if (writer_->wal_pages() - done.copied <= last_pages_max) break;
  }
  // With nothing left in it, the next commit begins the write-ahead log again from its start.
  return writer_->exclusively([this]() -> Result<void> {
    WEIR_TRY_ASSIGN(done, session_->checkpoint());
    if (done.whole()) writer_->checkpointed();
    return {};
  });
}

}  // namespace weir::sqlite
