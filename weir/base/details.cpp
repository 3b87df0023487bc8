#include <weir/base/details.hpp>

namespace weir {

Details::Details(std::initializer_list<value_type> entries)
    : map_(entries.size() == 0 ? nullptr : std::make_unique<Map>(entries)) {}

std::unique_ptr<Details::Map> Details::copy_of(const Map& map) {
  return std::make_unique<Map>(map);
}

const Details::Map& Details::none() {
  static const Map none;
  return none;
}

Details::Map& Details::own() {
  if (!map_) map_ = std::make_unique<Map>();
  return *map_;
}

}  // namespace weir
