#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weir/base/uuid.hpp>

namespace weir::postgres {

/// The numbers by which the server knows its own types (pg_type.dat); they never change.
enum class Oid : std::uint32_t {
  boolean = 16,
  bytea = 17,
  int8 = 20,
  int4 = 23,
  text = 25,
  bytea_array = 1001,
  text_array = 1009,
  int8_array = 1016,
  uuid = 2950,
  uuid_array = 2951,
};

/// The values of a statement's $1, $2 ..., in the server's binary format. Values never become part
/// of a statement's text.
/// Threads: as a container.
class Params {
 public:
  Params& add(std::int64_t value);
  Params& add(std::string_view text);
  Params& add(const Uuid& uuid);
  Params& add_int4(std::int32_t value);
  Params& add_bytea(std::string_view bytes);

  /// Begins an array of so many elements; each is then given with element() or null().
  Params& begin_array(Oid element, std::size_t count);
  void element(std::int64_t value);
  void element(std::string_view bytes);
  void element(const Uuid& uuid);
  void null();

  std::size_t size() const { return values_.size(); }
  Oid type(std::size_t index) const { return values_[index].type; }
  std::string_view bytes(std::size_t index) const;

 private:
  struct Value {
    Oid type;
    std::size_t begin;
  };
  void begin(Oid type);
  void put4(std::uint32_t value);
  void put8(std::uint64_t value);

  std::string buffer_;
  std::vector<Value> values_;
};

}  // namespace weir::postgres
