#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/buffers.hpp>
#include <weir/base/result.hpp>
#include <weir/store/event.hpp>

namespace weir {

/// One event of a batch, seen where it lies. Valid as long as the batch.
class EventView {
 public:
  Position position() const { return position_; }
  /// Absent only on events that came by the umadb.v1 protocol without one.
  std::optional<Uuid> id() const;
  std::string_view type() const { return type_; }
  const std::vector<std::string_view>& tags() const { return tags_; }
  std::string_view data() const { return data_; }
  /// Empty means application/json.
  std::string_view content_type() const { return content_type_; }
  std::vector<MetadataEntry> metadata() const;
  Timestamp occurred_at() const { return occurred_at_; }
  Timestamp recorded_at() const { return recorded_at_; }
  std::optional<Tracking> tracking() const;
  /// Everything, copied out.
  RecordedEvent copy() const;
  /// The weir.v1.Event as it lies in the batch.
  std::string_view wire() const { return wire_; }
  /// Looks at what wire() gave instead of what it was; false when that is malformed.
  /// `what`: type and tags alone, for a message that a BatchBuilder made, are found without
  /// touching its payload.
  enum class Fields : std::uint8_t { all, type_and_tags };
  bool look_at(std::string_view message, Fields what = Fields::all);

 private:
  friend class Batch;

  std::string_view wire_;
  Position position_;
  std::string_view id_;
  std::string_view type_;
  std::vector<std::string_view> tags_;
  std::string_view data_;
  std::string_view content_type_;
  std::vector<std::string_view> metadata_;
  Timestamp occurred_at_;
  Timestamp recorded_at_;
  std::string_view tracking_;
};

/// Some events in the order in which they were read, in one buffer: the `events` of a
/// weir.v1.ReadResponse in protobuf's wire format. Reading, sending and keeping a batch copies and
/// allocates nothing per event; looking at one takes it apart there and then.
/// Threads: as a container; const access from any.
class Batch {
 public:
  Batch() = default;

  /// Takes over the wire format of repeated weir.v1.Event (field 1). Other fields are passed over.
  /// Errors: data_loss when it is malformed.
  static Result<Batch> from_wire(std::string wire);

  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::size_t bytes() const { return wire_.bytes.size(); }
  /// The events as they go on the wire, and only those.
  const std::string& wire() const { return wire_.bytes; }
  std::string take_wire() && { return std::move(wire_.bytes); }

  /// Positions of the first and last event. The batch must not be empty.
  Position first() const { return first_; }
  Position last() const { return last_; }

  class iterator {
   public:
    using value_type = EventView;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    const EventView& operator*() const { return view_; }
    const EventView* operator->() const { return &view_; }
    iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(const iterator& other) const { return at_ == other.at_; }

   private:
    friend class Batch;
    const char* at_ = nullptr;  ///< where the event in view_ begins, end_ past the last
    const char* next_ = nullptr;
    const char* end_ = nullptr;
    EventView view_;
  };
  iterator begin() const;
  iterator end() const;

 private:
  friend class BatchBuilder;
  PooledString wire_;
  std::size_t count_ = 0;
  Position first_;
  Position last_;
};

/// What an engine says of an event as it adds it to a batch. Views; copied by add().
struct EventFields {
  Position position;
  const Uuid* id = nullptr;
  std::string_view type;
  std::vector<std::string_view> tags = {};
  std::string_view data = {};
  std::string_view content_type = {};
  std::vector<std::pair<std::string_view, std::string_view>> metadata = {};
  Timestamp occurred_at;
  Timestamp recorded_at;
  std::string_view tracking_source = {};
  std::uint64_t tracking_position = 0;
};

/// Builds a Batch event by event.
class BatchBuilder {
 public:
  void add(const EventFields& fields);
  /// An event of another batch, as it lies there: see EventView::wire().
  void add(Position position, std::string_view message);
  std::size_t size() const { return batch_.count_; }
  std::size_t bytes() const { return batch_.wire_.bytes.size(); }
  /// The event added last, as EventView::wire() gives it. Valid until the next is added.
  std::string_view last() const { return std::string_view(batch_.wire_.bytes).substr(last_at_); }
  void reserve(std::size_t bytes) { Buffers::shared().grow(batch_.wire_.bytes, bytes); }
  Batch build() &&;

 private:
  Batch batch_;
  std::size_t last_at_ = 0;
};

}  // namespace weir
