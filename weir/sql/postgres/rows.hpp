#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <weir/base/uuid.hpp>

struct pg_result;

namespace weir::postgres {

/// What a statement answered, in binary. Texts are views, valid as long as the rows.
/// Reading a column as another type than it has is our own mistake and ends the process.
/// Threads: const access from any.
class Rows {
 public:
  explicit Rows(pg_result* result, bool warned = false);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  bool is_null(std::size_t row, int column) const;
  std::int64_t int8(std::size_t row, int column) const;
  std::int32_t int4(std::size_t row, int column) const;
  bool boolean(std::size_t row, int column) const;
  Uuid uuid(std::size_t row, int column) const;
  /// Of a text or bytea.
  std::string_view bytes(std::size_t row, int column) const;
  /// The elements of an array of text or int8, as they lie there; null ones are empty. False, and
  /// none, when it has more than one dimension.
  [[nodiscard]] bool array(std::size_t row, int column, std::vector<std::string_view>& out) const;
  /// "COMMIT", "INSERT 0 1" ...
  std::string_view command() const;
  /// The server gave a warning with it. Of a COMMIT perhaps that somebody cancelled its wait for
  /// the replicas: it is done, and may be on no disk but the server's.
  bool warned() const { return warned_; }

  /// Takes apart what array() gives of an int8 array.
  static std::int64_t int8_of(std::string_view element);

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
  bool warned_ = false;
};

}  // namespace weir::postgres
