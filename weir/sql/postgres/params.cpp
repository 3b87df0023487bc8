#include <weir/sql/postgres/params.hpp>

#include <weir/base/assert.hpp>

namespace weir::postgres {
namespace {

Oid array_of(Oid element) {
  switch (element) {
    case Oid::bytea:
      return Oid::bytea_array;
    case Oid::text:
      return Oid::text_array;
    case Oid::int8:
      return Oid::int8_array;
    case Oid::uuid:
      return Oid::uuid_array;
    default:
      break;
  }
  const bool array_type_known = false;
  WEIR_ASSERT(array_type_known);
  return element;
}

std::string_view view(const Uuid& uuid) {
  return {reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()};
}

}  // namespace

void Params::begin(Oid type) {
  values_.push_back({type, buffer_.size()});
}

void Params::put4(std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) buffer_ += static_cast<char>(value >> shift);
}

void Params::put8(std::uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  buffer_.append(bytes, sizeof bytes);
}

Params& Params::add(std::int64_t value) {
  begin(Oid::int8);
  put8(static_cast<std::uint64_t>(value));
  return *this;
}

Params& Params::add(std::string_view text) {
  begin(Oid::text);
  buffer_ += text;
  return *this;
}

Params& Params::add(const Uuid& uuid) {
  begin(Oid::uuid);
  buffer_ += view(uuid);
  return *this;
}

Params& Params::add_int4(std::int32_t value) {
  begin(Oid::int4);
  put4(static_cast<std::uint32_t>(value));
  return *this;
}

Params& Params::add_bytea(std::string_view bytes) {
  begin(Oid::bytea);
  buffer_ += bytes;
  return *this;
}

Params& Params::begin_array(Oid element, std::size_t count) {
  begin(array_of(element));
  put4(count == 0 ? 0 : 1);  // dimensions
  put4(1);                   // elements may be null
  put4(static_cast<std::uint32_t>(element));
  if (count > 0) {
    put4(static_cast<std::uint32_t>(count));
    put4(1);  // the first index
  }
  return *this;
}

void Params::element(std::int64_t value) {
  put4(8);
  put8(static_cast<std::uint64_t>(value));
}

void Params::element(std::string_view bytes) {
  put4(static_cast<std::uint32_t>(bytes.size()));
  buffer_ += bytes;
}

void Params::element(const Uuid& uuid) {
  element(view(uuid));
}

void Params::null() {
  put4(0xFFFFFFFF);
}

std::string_view Params::bytes(std::size_t index) const {
  const auto begin = values_[index].begin;
  const auto end = index + 1 < values_.size() ? values_[index + 1].begin : buffer_.size();
  return std::string_view(buffer_).substr(begin, end - begin);
}

}  // namespace weir::postgres
