#include <weir/sql/postgres/rows.hpp>

#include <libpq-fe.h>

#include <cstring>

#include <weir/base/assert.hpp>

namespace weir::postgres {
namespace {

std::uint32_t read4(const char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

std::uint64_t read8(const char* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap64(value);
}

}  // namespace

void Rows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

Rows::Rows(pg_result* result, bool warned) : result_(result), warned_(warned) {}

std::size_t Rows::size() const {
  return static_cast<std::size_t>(PQntuples(result_.get()));
}

bool Rows::is_null(std::size_t row, int column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}

std::string_view Rows::bytes(std::size_t row, int column) const {
  const auto r = static_cast<int>(row);
  return {PQgetvalue(result_.get(), r, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), r, column))};
}

std::int64_t Rows::int8_of(std::string_view element) {
  WEIR_ASSERT(element.size() == 8);
  return static_cast<std::int64_t>(read8(element.data()));
}

std::int64_t Rows::int8(std::size_t row, int column) const {
  return int8_of(bytes(row, column));
}

std::int32_t Rows::int4(std::size_t row, int column) const {
  const auto value = bytes(row, column);
  WEIR_ASSERT(value.size() == 4);
  return static_cast<std::int32_t>(read4(value.data()));
}

bool Rows::boolean(std::size_t row, int column) const {
  const auto value = bytes(row, column);
  WEIR_ASSERT(value.size() == 1);
  return value[0] != 0;
}

Uuid Rows::uuid(std::size_t row, int column) const {
  const auto value = bytes(row, column);
  Uuid uuid;
  WEIR_ASSERT(value.size() == uuid.bytes.size());
  std::memcpy(uuid.bytes.data(), value.data(), value.size());
  return uuid;
}

bool Rows::array(std::size_t row, int column, std::vector<std::string_view>& out) const {
  out.clear();
  const auto value = bytes(row, column);
  if (value.empty()) return true;
  constexpr std::size_t header_bytes = 12, dimension_bytes = 8;
  WEIR_ASSERT(value.size() >= header_bytes);
  const auto dimensions = read4(value.data());
  if (dimensions == 0) return true;
  if (dimensions != 1) return false;
  const auto count = read4(value.data() + header_bytes);
  const char* at = value.data() + header_bytes + dimension_bytes;
  const char* end = value.data() + value.size();
  for (std::uint32_t i = 0; i < count; ++i) {
    WEIR_ASSERT(end - at >= 4);
    const auto length = read4(at);
    at += 4;
    if (length == 0xFFFFFFFF) {
      out.emplace_back();
      continue;
    }
    WEIR_ASSERT(end - at >= static_cast<std::ptrdiff_t>(length));
    out.emplace_back(at, length);
    at += length;
  }
  return true;
}

std::string_view Rows::command() const {
  return PQcmdStatus(result_.get());
}

}  // namespace weir::postgres
