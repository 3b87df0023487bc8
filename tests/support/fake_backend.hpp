#pragma once

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <weir/store/engine/log.hpp>

namespace weir::testing_support {

/// A log in memory that fails and waits as a test tells it.
/// Threads: any.
class FakeBackend final : public engine::Backend {
 public:
  /// What commits do: write; write and say that they failed; fail; fail and say that nothing was
  /// written.
  enum class Commits { work, work_and_fail, fail, fail_without_a_trace };

  const LogInfo& info() const override { return info_; }
  Result<std::unique_ptr<engine::Writer>> open_writer() override {
    return std::unique_ptr<engine::Writer>(std::make_unique<FakeWriter>(*this));
  }
  Result<ReadStep> read_step(const ReadRequest& request) override {
    std::unique_lock lock(mutex_);
    ++calls_;
    changed_.wait(lock, [this] { return may_read_ == 0 || may_read_ == gettid(); });
    if (down_) return unavailable("the fake is down");
    return step(request);
  }
  Result<Position> head(const CallOptions&) override {
    std::unique_lock lock(mutex_);
    ++calls_;
    changed_.wait(lock, [this] { return !hung_; });
    if (down_) return unavailable("the fake is down");
    return Position(events_.size());
  }
  bool changed_elsewhere() override { return false; }
  void on_change_elsewhere(std::function<void()> listener) override {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
  }
  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey&, const CallOptions&) override {
    return std::optional<Snapshot>();
  }
  Result<bool> save_snapshot(const Snapshot&, const CallOptions&) override { return true; }
  Result<void> delete_snapshot(const SnapshotKey&, const CallOptions&) override { return {}; }
  Result<std::optional<std::uint64_t>> tracked(const std::string&, const CallOptions&) override {
    return std::optional<std::uint64_t>();
  }

  void set_down(bool down) {
    const std::lock_guard lock(mutex_);
    down_ = down;
  }
  /// Only this thread's reads are answered, until anybody's are.
  void only_reads_of_this_thread() {
    const std::lock_guard lock(mutex_);
    may_read_ = gettid();
  }
  void reads_of_all() {
    {
      const std::lock_guard lock(mutex_);
      may_read_ = 0;
    }
    changed_.notify_all();
  }
  /// While it hangs, head() does not answer.
  void set_hung(bool hung) {
    {
      const std::lock_guard lock(mutex_);
      hung_ = hung;
    }
    changed_.notify_all();
  }
  void set_commits(Commits commits) {
    const std::lock_guard lock(mutex_);
    commits_ = commits;
  }
  /// So many commits; those after them work.
  void fail_next_commits(Commits how, int times) {
    const std::lock_guard lock(mutex_);
    commits_ = how;
    commits_left_ = times;
  }
  /// So many reads within transactions end these.
  void lose_next_transactions(int times) {
    const std::lock_guard lock(mutex_);
    lost_left_ = times;
  }
  /// Each further commit takes so long.
  void set_commit_time(std::chrono::nanoseconds time) {
    const std::lock_guard lock(mutex_);
    commit_time_ = time;
  }
  /// While held, the writer waits before it begins.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
    }
    changed_.notify_all();
  }
  /// Until the writer waits.
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }
  /// As another process does.
  void append_elsewhere(Event event) {
    std::function<void()> listener;
    {
      const std::lock_guard lock(mutex_);
      events_.push_back({.event = std::move(event)});
      listener = listener_;
    }
    if (listener) listener();
  }
  /// As a restored backup does: the events past `head` never were, but others. Nobody is told.
  void rewind(Position head, std::vector<Event> others = {}) {
    const std::lock_guard lock(mutex_);
    events_.resize(head.value);
    for (auto& event : others) events_.push_back({.event = std::move(event)});
  }
  /// Transactions, reads and looks at the head that were begun.
  std::size_t calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t commits() const {
    const std::lock_guard lock(mutex_);
    return committed_;
  }
  std::vector<std::vector<MetadataEntry>> metadata() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::vector<MetadataEntry>> list;
    for (const auto& kept : events_) list.push_back(kept.event.metadata);
    return list;
  }
  std::vector<std::string> types() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> list;
    for (const auto& kept : events_) list.push_back(kept.event.type);
    return list;
  }

 private:
  class FakeWriter final : public engine::Writer {
   public:
    explicit FakeWriter(FakeBackend& backend) : backend_(backend) {}
    Result<engine::Begun> begin(const engine::BeginRequest& request) override {
      std::unique_lock lock(backend_.mutex_);
      ++backend_.calls_;
      backend_.waiting_ = true;
      backend_.changed_.notify_all();
      backend_.changed_.wait(lock, [this] { return !backend_.held_; });
      backend_.waiting_ = false;
      if (backend_.down_) return unavailable("the fake is down");
      engine::Begun begun{.head = Position(backend_.events_.size())};
      BatchBuilder missed;
      for (auto p = request.known.next(); p <= begun.head; p = p.next()) {
        missed.add(backend_.fields_at(p));
      }
      begun.missed = std::move(missed).build();
      if (request.mark) begun.rewound = backend_.mark_at(request.mark->position) != request.mark;
      for (const auto& record : backend_.keys_) {
        if (std::find(request.keys.begin(), request.keys.end(), record.key) != request.keys.end()) {
          begun.keys.push_back(record);
        }
      }
      return begun;
    }
    Result<ReadStep> read_step(const ReadRequest& request) override {
      const std::lock_guard lock(backend_.mutex_);
      if (backend_.lost_left_ > 0) {
        --backend_.lost_left_;
        return unavailable("the fake lost the transaction");
      }
      return backend_.step(request);
    }
    Result<void> commit(const engine::Group& group) override {
      std::unique_lock lock(backend_.mutex_);
      if (const auto time = backend_.commit_time_; time.count() > 0) {
        lock.unlock();
        std::this_thread::sleep_for(time);
        lock.lock();
      }
      const auto commits = backend_.commits_;
      if (backend_.commits_left_ > 0 && --backend_.commits_left_ == 0) {
        backend_.commits_ = Commits::work;
      }
      if (commits == Commits::fail_without_a_trace) {
        return engine::nothing_recorded(unavailable("the fake refuses"));
      }
      if (commits != Commits::fail) {
        for (const auto& added : group.events) {
          backend_.events_.push_back({*added.event, added.occurred_at, group.recorded_at});
        }
        backend_.keys_.insert(backend_.keys_.end(), group.keys.begin(), group.keys.end());
        ++backend_.committed_;
      }
      if (commits != Commits::work) return unavailable("whether it was written is unknown");
      return {};
    }
    void rollback() override {}

   private:
    FakeBackend& backend_;
  };

  struct Kept {
    Event event = {};
    Timestamp occurred_at = {};
    Timestamp recorded_at = {};
  };
  /// With the lock held.
  EventFields fields_at(Position position) const {
    const auto& [event, occurred_at, recorded_at] = events_[position.value - 1];
    EventFields fields{.position = position,
                       .id = event.id ? &*event.id : nullptr,
                       .type = event.type,
                       .tags = {event.tags.begin(), event.tags.end()},
                       .data = event.data,
                       .content_type = event.content_type,
                       .occurred_at = occurred_at,
                       .recorded_at = recorded_at};
    for (const auto& [key, value] : event.metadata) fields.metadata.emplace_back(key, value);
    return fields;
  }
  ReadStep step(const ReadRequest& request) const {
    const auto head = Position(events_.size());
    const auto until = std::min(request.until.value_or(head), head);
    BatchBuilder builder;
    const auto first =
        request.direction == Direction::backwards && request.limit && *request.limit < until.value
            ? Position(until.value - *request.limit)
            : request.after;
    for (auto p = first.next(); p <= until; p = p.next()) {
      const auto fields = fields_at(p);
      if (matches(request.query, {fields.type, fields.tags, fields.data})) builder.add(fields);
    }
    return ReadStep{.batch = std::move(builder).build(),
                    .head = head,
                    .cursor = std::max(until, request.after),
                    .end = true};
  }
  std::optional<engine::Mark> mark_at(Position position) const {
    if (position > Position(events_.size())) return std::nullopt;
    BatchBuilder builder;
    builder.add(fields_at(position));
    return engine::mark_of(*std::move(builder).build().begin());
  }

  LogInfo info_{.name = "fake"};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Kept> events_;
  std::vector<engine::KeyRecord> keys_;
  std::function<void()> listener_;
  Commits commits_ = Commits::work;
  int commits_left_ = 0;
  int lost_left_ = 0;
  std::chrono::nanoseconds commit_time_{0};
  pid_t may_read_ = 0;  ///< whose reads are answered; 0: everybody's
  bool down_ = false;
  bool hung_ = false;
  bool held_ = false;
  bool waiting_ = false;
  std::size_t committed_ = 0;
  std::size_t calls_ = 0;
};

}  // namespace weir::testing_support
