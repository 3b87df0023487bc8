#include <weir/store/postgres/database.hpp>

#include <fmt/format.h>

#include <weir/store/limits.hpp>
#include <weir/store/postgres/backend.hpp>
#include <weir/store/postgres/schema.hpp>

namespace weir::postgres {
namespace {

/// Of several hosts one may be a primary that was replaced: each is heard first.
constexpr std::chrono::milliseconds ask_hosts_time_max{1500};

constexpr std::string_view select_logs =
    "SELECT id, seed, name, head, indexed_keys, created_at FROM weir.log ORDER BY name";
constexpr std::string_view select_log =
    "SELECT id, seed, name, head, indexed_keys, created_at FROM weir.log WHERE name = $1";
// The seed is 62 bits of the server's own secure randomness.
constexpr std::string_view insert_log =
    "INSERT INTO weir.log (name, created_at, indexed_keys, seed) VALUES ($1, $2, $3,"
    " ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint)"
    " ON CONFLICT (name) DO NOTHING";

constexpr std::string_view is_writable =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

Result<LogRow> row_of(const Rows& rows, std::size_t row) {
  LogRow log{.id = rows.int4(row, 0), .seed = static_cast<std::uint64_t>(rows.int8(row, 1))};
  log.info.name = rows.bytes(row, 2);
  log.info.head = Position(static_cast<std::uint64_t>(rows.int8(row, 3)));
  std::vector<std::string_view> keys;
  if (!rows.array(row, 4, keys)) {
    return damaged(fmt::format("log '{}': column indexed_keys is malformed", log.info.name));
  }
  log.info.options.indexed_keys.assign(keys.begin(), keys.end());
  log.info.created_at = from_micros(rows.int8(row, 5));
  return log;
}

ConnectOptions connection(const std::string& uri, const std::shared_ptr<Hosts>& hosts,
                          const DatabaseOptions& options, Role role,
                          std::vector<std::pair<std::string, std::string>> settings) {
  return {.uri = uri,
          .hosts = hosts,
          .role = role,
          .application_name = options.application_name,
          .connect_time_max = options.connect_time_max,
          .command_timeout = options.readers.command_timeout,
          .tcp = options.readers.tcp,
          .settings = std::move(settings),
          .reporting = options.reporting};
}

/// A single host may be a replica, for whoever only reads; of several the primary tells the truth.
Role role_to_read(const Hosts& hosts) {
  return hosts.all().size() > 1 ? Role::primary : Role::any;
}

/// Plans are the same whatever the statistics say: see statements.cpp.
ConnectOptions reader_connection(const std::string& uri, const std::shared_ptr<Hosts>& hosts,
                                 const DatabaseOptions& options) {
  return connection(uri, hosts, options, role_to_read(*hosts),
                    {{"jit", "off"},
                     {"plan_cache_mode", "force_generic_plan"},
                     {"enable_seqscan", "off"},
                     {"enable_hashjoin", "off"},
                     {"enable_mergejoin", "off"},
                     {"enable_bitmapscan", "off"},
                     {"default_transaction_isolation", "read committed"},
                     {"synchronous_commit", "on"},
                     {"client_connection_check_interval", "2s"}});
}

std::unique_ptr<Replicas> replicas_of(const std::string& uri, const std::shared_ptr<Hosts>& hosts,
                                      const DatabaseOptions& options, const Clock& clock) {
  if (hosts->all().size() < 2) return nullptr;
  ReplicasOptions replicas{.limits = options.replicas,
                           .pool = {.limits = options.readers,
                                    .connect = reader_connection(uri, hosts, options),
                                    .listener = options.pool_listener},
                           .listener = options.replica_listener};
  return std::make_unique<Replicas>(std::move(replicas), hosts, clock);
}

}  // namespace

Database::Database(const std::string& uri, std::shared_ptr<Hosts> hosts, DatabaseOptions options,
                   const Clock& clock)
    : uri_(uri),
      hosts_(std::move(hosts)),
      options_(std::move(options)),
      clock_(clock),
      readers_({.limits = options_.readers,
                .connect = reader_connection(uri, hosts_, options_),
                .listener = options_.pool_listener},
               clock),
      replicas_(replicas_of(uri, hosts_, options_, clock)),
      listener_(connection(uri, hosts_, options_, Role::primary, {}), clock) {}

Database::~Database() = default;

ConnectOptions Database::writer_connection() const {
  const auto lock_ms = std::to_string(options_.lock_time_max.count());
  const auto write_ms = std::to_string(options_.write_time_max.count());
  auto options = connection(uri_, hosts_, options_, Role::primary,
                            {{"jit", "off"},
                             {"plan_cache_mode", "force_generic_plan"},
                             {"enable_seqscan", "off"},
                             {"enable_hashjoin", "off"},
                             {"enable_mergejoin", "off"},
                             {"enable_bitmapscan", "off"},
                             {"lock_timeout", lock_ms},
                             {"statement_timeout", "0"},
                             {"client_min_messages", "warning"},
                             {"idle_in_transaction_session_timeout", write_ms},
                             {"client_connection_check_interval", "2s"}});
  // Its round trips have bounds of their own, and all its statements are used again and again.
  options.command_timeout = options.command_timeout.zero();
  options.prepare = {.prepared_max = 32, .prepare_after = 1};
  return options;
}

Result<std::shared_ptr<Database>> Database::open(const std::string& uri, DatabaseOptions options,
                                                 const Clock& clock) {
  WEIR_TRY(sql::check(options.readers));
  WEIR_TRY(sql::check(options.replicas));
  WEIR_TRY_ASSIGN(hosts, Hosts::of(uri, options.hosts));
  const Patience patience{.deadline = clock.instant() + options.open_time_max};
  std::shared_ptr<Database> database(new Database(uri, hosts, std::move(options), clock));
  if (database->replicas_) {
    const auto heard = clock.instant() + ask_hosts_time_max;
    database->replicas_->wait_until_asked(std::min(heard, *patience.deadline));
  }
  auto connect = connection(uri, hosts, database->options_, role_to_read(*hosts), {});
  connect.command_timeout = connect.command_timeout.zero();
  WEIR_TRY_ASSIGN(session, Session::connect(connect, clock, patience));
  WEIR_TRY(migrate(*session, database->options_.create, patience));
  return database;
}

Result<bool> Database::takes_writes(const CallOptions& call) const {
  const Patience patience{.deadline = call.deadline, .stop = call.stop};
  auto connect = connection(uri_, hosts_, options_, role_to_read(*hosts_), {});
  connect.reporting = {};
  WEIR_TRY_ASSIGN(session, Session::connect(connect, clock_, patience));
  WEIR_TRY_ASSIGN(rows, session->execute(is_writable, {}, patience));
  return rows.boolean(0, 0);
}

Result<Rows> Database::ask(const Call& call, const CallOptions& options) {
  const Patience patience{.deadline = options.deadline, .stop = options.stop};
  for (bool again = false;; again = true) {
    WEIR_TRY_ASSIGN(session, readers_.checkout(patience));
    auto answers = session->run({&call, 1}, patience);
    if (answers) return std::move(answers->front());
    // The server left while the connection was idle, or since: others find the new primary.
    const bool left = session->server_left() && answers.error().code == Code::unavailable;
    if (!left || again || !session.used()) return answers.error();
  }
}

Result<std::vector<LogInfo>> Database::list(const CallOptions& call) {
  WEIR_TRY_ASSIGN(rows, ask({.text = select_logs}, call));
  std::vector<LogInfo> logs;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    WEIR_TRY_ASSIGN(log, row_of(rows, row));
    logs.push_back(std::move(log.info));
  }
  return logs;
}

Result<LogRow> Database::find(const std::string& name, const CallOptions& options) {
  Call call{.text = select_log};
  call.params.add(std::string_view(name));
  WEIR_TRY_ASSIGN(rows, ask(call, options));
  if (!rows.empty()) return row_of(rows, 0);
  return Error{.code = Code::not_found,
               .reason = Reason::log_not_found,
               .message = fmt::format("log '{}' does not exist; create it with: weir log create {}",
                                      name, name),
               .details = {{"log", name}}};
}

Result<LogInfo> Database::create(const std::string& name, const LogOptions& options,
                                 const CallOptions& call) {
  WEIR_TRY(check_log_name(name));
  WEIR_TRY(check(options));
  Call insert{.text = insert_log};
  insert.params.add(std::string_view(name)).add(clock_.now().time_since_epoch().count());
  insert.params.begin_array(Oid::text, options.indexed_keys.size());
  for (const auto& key : options.indexed_keys) {
    if (key.find('\0') != std::string::npos) {
      return invalid_field("indexed_keys", "a key may not contain U+0000");
    }
    insert.params.element(key);
  }
  WEIR_TRY_ASSIGN(inserted, ask(insert, call));
  WEIR_TRY_ASSIGN(log, find(name, call));
  if (log.info.options == options) return log.info;
  return Error{.code = Code::already_exists,
               .reason = Reason::log_exists,
               .message = fmt::format("log '{}' exists with other indexed keys", name),
               .details = {{"log", name}}};
}

Result<Database::Opened> Database::open_log(const std::string& name, const CallOptions& call) {
  WEIR_TRY(check_log_name(name));
  WEIR_TRY_ASSIGN(log, find(name, call));
  engine::TermHasher hasher(log.seed, log.info.options.indexed_keys);
  return Opened{.backend = std::make_unique<LogBackend>(shared_from_this(), std::move(log)),
                .hasher = std::move(hasher)};
}

}  // namespace weir::postgres
