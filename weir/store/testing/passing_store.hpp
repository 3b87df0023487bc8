#pragma once

#include <memory>
#include <utility>

#include <weir/store/event_store.hpp>

namespace weir::testing {

/// Passes every call on to another store, which must outlive it; tests override what they want to
/// be different. Asynchronous appends, reads and heads come by the blocking ones, so that one
/// override is enough; they are answered before they return.
class PassingStore : public EventStore {
 public:
  explicit PassingStore(EventStore& inner) : inner_(inner) {}

  const LogInfo& info() const override { return inner_.info(); }
  void read_step(ReadRequest request, Done<ReadStep> done) override {
    done(read_step(std::move(request)));
  }
  Result<ReadStep> read_step(ReadRequest request) override {
    return inner_.read_step(std::move(request));
  }
  void head(CallOptions call, Done<Position> done) override { done(head(std::move(call))); }
  Result<Position> head(CallOptions call) override { return inner_.head(std::move(call)); }
  Result<std::optional<Snapshot>> load_snapshot(const SnapshotKey& key, CallOptions call) override {
    return inner_.load_snapshot(key, std::move(call));
  }
  Result<std::optional<std::uint64_t>> tracked(const std::string& source,
                                               CallOptions call) override {
    return inner_.tracked(source, std::move(call));
  }
  Result<std::unique_ptr<Subscription>> open_subscription(SubscribeRequest request) override {
    return inner_.open_subscription(std::move(request));
  }
  void append(AppendRequest request, Done<Appended> done) override {
    done(append(std::move(request)));
  }
  Result<Appended> append(AppendRequest request) override {
    return inner_.append(std::move(request));
  }
  Result<bool> save_snapshot(const Snapshot& snapshot, CallOptions call) override {
    return inner_.save_snapshot(snapshot, std::move(call));
  }
  Result<void> delete_snapshot(const SnapshotKey& key, CallOptions call) override {
    return inner_.delete_snapshot(key, std::move(call));
  }

 private:
  EventStore& inner_;
};

}  // namespace weir::testing
