#include <bench/raw_postgres.hpp>

#include <libpq-fe.h>

#include <array>

#include <fmt/format.h>

#include <apps/weir/bench_load.hpp>

namespace weir::bench {
namespace {

constexpr const char* insert_sql =
    "WITH e AS (INSERT INTO event SELECT p, t, gen_random_uuid(), d, string_to_array(g, '|'), 0, 0 "
    "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) u(p, t, d, g)) "
    "INSERT INTO tag SELECT a, b, p FROM unnest($5::text[], $6::text[], $7::bigint[]) v(a, b, p)";

/// An array in PostgreSQL's text format.
class Array {
 public:
  void add(std::string_view text) {
    begin();
    text_ += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  void add(std::uint64_t number) {
    begin();
    text_ += std::to_string(number);
  }
  const char* finish() {
    text_ += '}';
    return text_.c_str();
  }

 private:
  void begin() {
    if (text_.size() > 1) text_ += ',';
  }
  std::string text_ = "{";
};

}  // namespace

struct RawPostgres::Parts {
  PGconn* connection = nullptr;
  std::uint64_t position = 0;
  EventMaker maker{{}, 0};

  ~Parts() { PQfinish(connection); }

  Result<void> check(PGresult* result) const {
    const auto status = PQresultStatus(result);
    PQclear(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
    return unavailable(fmt::format("raw PostgreSQL: {}", PQerrorMessage(connection)));
  }
};

RawPostgres::RawPostgres(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RawPostgres::~RawPostgres() = default;

Result<std::unique_ptr<RawPostgres>> RawPostgres::create(const std::string& uri) {
  auto parts = std::make_unique<Parts>();
  parts->connection = PQconnectdb(uri.c_str());
  if (PQstatus(parts->connection) != CONNECTION_OK) {
    return unavailable(fmt::format("raw PostgreSQL: {}", PQerrorMessage(parts->connection)));
  }
  WEIR_TRY(parts->check(
      PQexec(parts->connection,
             "CREATE TABLE event (position bigint PRIMARY KEY, type text, id uuid, data text, "
             "tags text[], occurred_at bigint, recorded_at bigint);"
             "CREATE TABLE tag (tag text, type text, position bigint, PRIMARY KEY (tag, type, "
             "position))")));
  WEIR_TRY(parts->check(PQprepare(parts->connection, "insert", insert_sql, 0, nullptr)));
  return std::unique_ptr<RawPostgres>(new RawPostgres(std::move(parts)));
}

Result<void> RawPostgres::commit(std::size_t events) {
  auto& p = *parts_;
  std::array<Array, 7> arrays;
  auto& [positions, types, data, tags, tag_names, tag_types, tag_positions] = arrays;
  for (std::size_t i = 0; i < events; ++i) {
    const auto event = p.maker.next();
    positions.add(++p.position);
    types.add(event.type);
    data.add(event.data);
    tags.add(event.tags[0] + "|" + event.tags[1]);
    for (std::size_t t = 0; t < (event.tags[0] == event.tags[1] ? 1 : 2); ++t) {
      tag_names.add(event.tags[t]);
      tag_types.add(event.type);
      tag_positions.add(p.position);
    }
  }
  std::array<const char*, 7> values{};
  for (std::size_t i = 0; i < arrays.size(); ++i) values[i] = arrays[i].finish();
  return p.check(PQexecPrepared(p.connection, "insert", static_cast<int>(values.size()),
                                values.data(), nullptr, nullptr, 0));
}

}  // namespace weir::bench
