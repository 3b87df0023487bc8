#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <apps/weir/flags.hpp>
#include <apps/weir/program.hpp>

namespace weir::cli {

/// "key=value", divided at the first '='. Errors: invalid_argument naming the option.
Result<std::pair<std::string, std::string>> parse_pair(std::string_view text,
                                                       std::string_view option);

/// The file of a store when it is there and empty: opening it with `create` makes a new store,
/// which shall be said.
std::optional<std::string> empty_file_of(const std::string& store);

/// --tls, --ca, --cert, --key, --token and --token-file: how a server knows a command, and the
/// other way round.
struct CredentialOptions {
  remote::Credentials credentials = {};
  std::string token_file = {};

  void add_to(Flags& flags);
  /// With the token, which flags, files and the variables WEIR_TOKEN and WEIR_TOKEN_FILE name, in
  /// this order. Errors: invalid_argument naming the file.
  Result<remote::Credentials> read(const Program& program) const;
  /// The options but for the token, as they would be typed, with a space in front of each.
  std::string typed() const;
};

/// --target, --store, --log, --timeout and --wait, and credentials: which log a command works on.
struct StoreOptions {
  std::string target = "127.0.0.1:50051";
  std::string store = {};
  std::string log = "default";
  double timeout_seconds = 30;
  double wait_seconds = 0;
  CredentialOptions credentials = {};

  void add_to(Flags& flags);
  /// The same without --log.
  void add_store_to(Flags& flags);

  bool in_process() const { return !store.empty(); }
  /// What becomes of an embedded store that is not there. `is_made`: with its folders.
  /// `file_is_made`: in a folder that is there, which is told on standard error; a path with a slip
  /// in it shall not quietly become another store.
  enum class Missing { fails, file_is_made, is_made };
  /// What --target is spoken to with. A token that would travel in plain text to another machine is
  /// warned of. Errors: invalid_argument naming the file.
  Result<remote::Credentials> read_credentials(const Program& program) const;
  Result<std::shared_ptr<Catalog>> open_catalog(Program& program, Missing missing,
                                                const LogOptions& default_log = {}) const;
  /// Only the log "default" comes with a store that is made.
  Result<std::shared_ptr<EventStore>> open(Program& program,
                                           Missing missing = Missing::fails) const;
  /// For a call that must be answered within --timeout.
  CallOptions call(const Program& program) const;
  /// The options that differ from their defaults, as they would be typed, with a space in front.
  std::string typed() const;
  /// The same without --log.
  std::string typed_place() const;
};

/// --type, --tag, --where and --query.
struct QueryOptions {
  std::vector<std::string> types = {};
  std::vector<std::string> tags = {};
  std::vector<std::string> where = {};
  std::string json = {};

  void add_to(Flags& flags);
  Result<Query> query() const;
};

/// The query options with --after, --from, --until, --limit, --backwards and the time range.
struct ReadOptions {
  QueryOptions query = {};
  std::optional<std::uint64_t> after, from, until, limit;
  bool backwards = false;
  std::optional<Timestamp> occurred_from, occurred_until;

  void add_to(Flags& flags);
  Result<ReadRequest> request() const;
};

/// A query as the options that make it, with a space in front of each.
std::string typed(const Query& query);
/// An argument as a POSIX shell takes it, quoted when it must be.
std::string shell_quoted(const std::string& argument);

}  // namespace weir::cli
