#include <apps/weir/options.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include <weir/base/uri.hpp>
#include <weir/security/address.hpp>

#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

constexpr std::string_view sqlite_prefix = "sqlite:";

/// The file that opening a store would make; nothing when it is there, or no file.
/// Errors: not_found when its folder is missing.
Result<std::optional<std::string>> file_to_make(const std::string& store) {
  if (!store.starts_with(sqlite_prefix)) return std::optional<std::string>();
  auto file = store.substr(sqlite_prefix.size());
  std::error_code error;  // what can't be looked at, opening it will tell
  const bool there = file.empty() || std::filesystem::exists(file, error);
  if (there || error) return std::optional<std::string>();
  const auto folder = std::filesystem::path(file).parent_path();
  if (folder.empty() || std::filesystem::exists(folder, error) || error) return std::optional(file);
  return Error{
      .code = Code::not_found,
      .reason = Reason::log_not_found,
      .message = fmt::format("there is no store at '{}', and no folder '{}' to make one in", file,
                             folder.string()),
      .details = {{"remedy", "if it is meant to be new: weir log create default --store " +
                                 shell_quoted(store)}}};
}

}  // namespace

std::optional<std::string> empty_file_of(const std::string& store) {
  if (!store.starts_with(sqlite_prefix)) return std::nullopt;
  auto file = store.substr(sqlite_prefix.size());
  std::error_code error;  // what can't be looked at, opening it will tell
  const bool empty = std::filesystem::is_regular_file(file, error) &&
                     std::filesystem::file_size(file, error) == 0 && !error;
  return empty ? std::optional(file) : std::nullopt;
}

Result<std::pair<std::string, std::string>> parse_pair(std::string_view text,
                                                       std::string_view option) {
  const auto divider = text.find('=');
  if (divider == std::string_view::npos || divider == 0) {
    return invalid_field(option, fmt::format("'{}' is not key=value", text));
  }
  return std::pair(std::string(text.substr(0, divider)), std::string(text.substr(divider + 1)));
}

void CredentialOptions::add_to(Flags& flags) {
  const auto add = [&](const std::string& name, std::string& to, const std::string& help) {
    flags.add(name, to, help).type_name("FILE").group("Credentials");
  };
  flags.add("--tls", credentials.tls, "Speak TLS with the server").group("Credentials");
  add("--ca", credentials.ca_file,
      "PEM: authorities of the server's certificate; default those that the machine trusts");
  add("--cert", credentials.certificate_file, "PEM: the certificate to show the server");
  add("--key", credentials.key_file, "PEM: its private key");
  flags
      .add("--token", credentials.token,
           "Bearer token; others see it in the list of processes: rather WEIR_TOKEN")
      .group("Credentials");
  add("--token-file", token_file, "File whose first line is the token; or WEIR_TOKEN_FILE");
}

Result<remote::Credentials> CredentialOptions::read(const Program& program) const {
  auto out = credentials;
  // Who names a certificate means TLS.
  out.tls =
      out.tls || !out.ca_file.empty() || !out.certificate_file.empty() || !out.key_file.empty();
  if (!out.token.empty()) return out;
  auto file = token_file;
  if (file.empty()) {
    out.token = program.environment("WEIR_TOKEN").value_or("");
    if (!out.token.empty()) return out;
    file = program.environment("WEIR_TOKEN_FILE").value_or("");
  }
  if (file.empty()) return out;
  std::ifstream from(file);
  if (!std::getline(from, out.token) || out.token.empty()) {
    return invalid_field("--token-file", fmt::format("no token can be read from {}", file));
  }
  return out;
}

std::string CredentialOptions::typed() const {
  std::string out = credentials.tls ? " --tls" : "";
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += std::string(" ") + name + " " + shell_quoted(value);
  };
  add("--ca", credentials.ca_file);
  add("--cert", credentials.certificate_file);
  add("--key", credentials.key_file);
  add("--token-file", token_file);
  return out;
}

void StoreOptions::add_to(Flags& flags) {
  add_store_to(flags);
  flags.add("--log", log, "Name of the log").shows_default();
}

void StoreOptions::add_store_to(Flags& flags) {
  const auto remote =
      flags.add("--target", target, "Address of the server (gRPC), HOST:PORT").shows_default();
  flags.add("--store", store, "Work on a store in this process: sqlite:PATH or postgres://...")
      .excludes(remote);
  flags.add("--timeout", timeout_seconds, "Seconds to wait for an answer")
      .shows_default()
      .within(0.001, 86400.0)
      .type_name("SECONDS");
  flags.add("--wait", wait_seconds, "Seconds to go on trying while no server answers at --target")
      .shows_default()
      .within(0.0, 86400.0)
      .type_name("SECONDS");
  credentials.add_to(flags);
}

Result<remote::Credentials> StoreOptions::read_credentials(const Program& program) const {
  WEIR_TRY_ASSIGN(read, credentials.read(program));
  if (!read.token.empty() && !read.tls) {
    // A target that is none is told of when it is connected to.
    const auto loopback = security::is_loopback(target, "--target");
    if (loopback && !*loopback) {
      tell(program,
           fmt::format("warning: the token travels to {} in plain text: see --tls\n", target));
    }
  }
  return read;
}

Result<std::shared_ptr<Catalog>> StoreOptions::open_catalog(Program& program, Missing missing,
                                                            const LogOptions& default_log) const {
  program.typed_store = typed_place();
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  };
  OpenOptions options{.create = missing != Missing::fails,
                      .default_log = default_log,
                      .open_timeout = milliseconds(timeout_seconds)};
  if (in_process()) {
    std::optional<std::string> made;
    const auto empty = missing == Missing::fails ? std::nullopt : empty_file_of(store);
    if (missing == Missing::file_is_made) {
      WEIR_TRY_ASSIGN(file, file_to_make(store));
      made = std::move(file);
    }
    auto catalog = program.open_catalog(store, options);
    if (catalog && made) tell(program, fmt::format("made a new store: {}\n", *made));
    if (catalog && empty) {
      tell(program, fmt::format("made a new store: {}, where an empty file was\n", *empty));
    }
    return catalog;
  }
  program.target = target;
  WEIR_TRY_ASSIGN(read, read_credentials(program));
  options.credentials = std::move(read);
  options.wait_until_up = wait_seconds > 0;
  options.connect_timeout = options.wait_until_up
                                ? milliseconds(wait_seconds)
                                : std::min(options.connect_timeout, milliseconds(timeout_seconds));
  return program.open_catalog("weir://" + target, options);
}

Result<std::shared_ptr<EventStore>> StoreOptions::open(Program& program, Missing missing) const {
  const bool comes_along = log == StoreOptions().log;
  WEIR_TRY_ASSIGN(catalog, open_catalog(program, comes_along ? missing : Missing::fails));
  return catalog->open(log, call(program));
}

CallOptions StoreOptions::call(const Program& program) const {
  const auto wait = std::chrono::duration<double>(timeout_seconds);
  return {.deadline =
              program.clock->instant() + std::chrono::duration_cast<Instant::duration>(wait)};
}

std::string StoreOptions::typed_place() const {
  std::string out;
  if (target != StoreOptions().target) out += " --target " + shell_quoted(target);
  if (!store.empty()) out += " --store " + shell_quoted(without_password(store));
  return out + credentials.typed();
}

std::string StoreOptions::typed() const {
  if (log == StoreOptions().log) return typed_place();
  return typed_place() + " --log " + shell_quoted(log);
}

void QueryOptions::add_to(Flags& flags) {
  const auto type =
      flags.add_list("--type", types, "Events of this type; repeat for any of several");
  const auto tag = flags.add_list("--tag", tags, "Events with this tag; repeat for all of several");
  const auto predicate =
      flags
          .add_list("--where", where,
                    "Events whose JSON payload has key=value at top level; repeat for all")
          .type_name("KEY=VALUE");
  flags.add("--query", json, R"(Any query: {"items":[{"types":[..],"tags":[..]}, ..]})")
      .type_name("JSON")
      .excludes(type)
      .excludes(tag)
      .excludes(predicate);
}

Result<Query> QueryOptions::query() const {
  if (!json.empty()) return parse_query(json);
  QueryItem item{.types = types, .tags = tags};
  for (const auto& predicate : where) {
    WEIR_TRY_ASSIGN(pair, parse_pair(predicate, "--where"));
    item.where.push_back({std::move(pair.first), std::move(pair.second)});
  }
  if (item == QueryItem{}) return Query{};
  return Query{{std::move(item)}};
}

void ReadOptions::add_to(Flags& flags) {
  query.add_to(flags);
  const auto exclusive = flags.add("--after", after, "Events past this position");
  flags.add("--from", from, "Events from this position on").excludes(exclusive);
  flags.add("--until", until, "Events up to this position");
  flags.add("--limit", limit, "At most so many events");
  flags.add("--backwards", backwards, "The last event first");
  flags.add("--occurred-from", occurred_from, "Events that occurred then or later");
  flags.add("--occurred-until", occurred_until, "Events that occurred then or earlier");
}

Result<ReadRequest> ReadOptions::request() const {
  ReadRequest request;
  WEIR_TRY_ASSIGN(what, query.query());
  request.query = std::move(what);
  if (after) request.after = Position(*after);
  if (from) request.after = Position(*from).previous();
  if (until) request.until = Position(*until);
  request.limit = limit;
  request.direction = backwards ? Direction::backwards : Direction::forwards;
  request.occurred = {.from = occurred_from, .until = occurred_until};
  return request;
}

std::string typed(const Query& query) {
  if (query.everything()) return {};
  const auto& item = query.items.front();
  if (query.items.size() > 1 || (item.where_any && item.where.size() > 1)) {
    return " --query " + shell_quoted(to_json(query));
  }
  std::string out;
  for (const auto& type : item.types) out += " --type " + shell_quoted(type);
  for (const auto& tag : item.tags) out += " --tag " + shell_quoted(tag);
  for (const auto& [key, value] : item.where) {
    out += " --where " + shell_quoted(key + "=" + value);
  }
  return out;
}

std::string shell_quoted(const std::string& argument) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
  if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) return argument;
  std::string out = "'";
  for (const char c : argument) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace weir::cli
