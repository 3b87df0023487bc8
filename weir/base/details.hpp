#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// What programs read of an Error: names and values, in the order of the names. A map, but no
/// larger than a pointer and as cheap to hand on while it is empty, so that refusing a call is
/// quick. Threads: as a std::map.
class Details {
 public:
  using Map = std::map<std::string, std::string>;
  using value_type = Map::value_type;
  using const_iterator = Map::const_iterator;
  using iterator = const_iterator;

  Details() = default;
  Details(std::initializer_list<value_type> entries);
  Details(const Details& other) : map_(other.map_ ? copy_of(*other.map_) : nullptr) {}
  Details(Details&&) noexcept = default;
  Details& operator=(Details other) noexcept {
    map_ = std::move(other.map_);
    return *this;
  }
  ~Details() = default;

  bool empty() const { return map_ == nullptr || map_->empty(); }
  std::size_t size() const { return map().size(); }
  const_iterator begin() const { return map().begin(); }
  const_iterator end() const { return map().end(); }
  const_iterator find(const std::string& name) const { return map().find(name); }
  bool contains(const std::string& name) const { return map().contains(name); }
  /// The name must be there.
  const std::string& at(const std::string& name) const { return map().at(name); }

  std::string& operator[](const std::string& name) { return own()[name]; }
  /// Leaves a name that is there as it is.
  void emplace(std::string_view name, std::string_view value) { own().emplace(name, value); }
  template <class Iterator>
  void insert(Iterator first, Iterator last) {
    if (first != last) own().insert(first, last);
  }

  bool operator==(const Details& other) const { return map() == other.map(); }

 private:
  static std::unique_ptr<Map> copy_of(const Map& map);
  const Map& map() const { return map_ ? *map_ : none(); }
  static const Map& none();
  Map& own();

  std::unique_ptr<Map> map_;  // null: empty
};

}  // namespace weir
