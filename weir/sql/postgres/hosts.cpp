#include <weir/sql/postgres/hosts.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace weir::postgres {
namespace {

constexpr std::size_t hosts_max = 32;

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  if (list.empty()) return parts;
  while (true) {
    const auto comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == list.npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

bool is_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65'536;
}

/// "db3", "db3:5432", "::1", "[::1]:5432".
Result<Host> parse(std::string_view text) {
  const auto wrong = [&] {
    return invalid_field("hosts", fmt::format("'{}' is not HOST, HOST:PORT or [IPv6]:PORT", text));
  };
  auto rest = text;
  Host host;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == rest.npos) return wrong();
    host.name = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':') return wrong();
  } else if (std::count(rest.begin(), rest.end(), ':') > 1) {
    host.name = rest;
    rest = {};
  } else {
    const auto colon = std::min(rest.find(':'), rest.size());
    host.name = rest.substr(0, colon);
    rest.remove_prefix(colon);
  }
  if (host.name.empty()) return wrong();
  if (rest.empty()) return host;
  host.port = rest.substr(1);
  if (!is_port(host.port)) return wrong();
  return host;
}

using Options = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;

/// What libpq says of an address that it can't read, without any of that address: there may be a
/// password in it.
std::string kind_of(std::string_view problem) {
  std::string kind;
  for (std::size_t at = 0; at < problem.size();) {
    const auto open = std::min(problem.find('"', at), problem.size());
    kind += problem.substr(at, open - at);
    if (open == problem.size()) break;
    const auto close = problem.find('"', open + 1);
    // Of one character: what was expected.
    if (close != problem.npos && close == open + 2) {
      kind += problem.substr(open, 3);
      at = close + 1;
      continue;
    }
    break;  // it may hold further quotes
  }
  while (!kind.empty() && std::string_view(": \n").find(kind.back()) != std::string_view::npos) {
    kind.pop_back();
  }
  return kind;
}

Error unreadable(std::string_view problem) {
  return invalid_field(
      "store",
      fmt::format("the address can't be read: {}; in a user or a password '%', '/', ':', '@', '?' "
                  "and '#' are written %25, %2F, %3A, %40, %3F and %23",
                  kind_of(problem)));
}

struct Named {
  std::vector<std::string> names, addresses, ports;
};

/// With what libpq takes from variables (PGHOST) and from service files. Only a connection tells
/// that; this one ends before it is tried, at a setting that does not exist.
Result<Named> resolve(const std::string& uri) {
  // An address that can't be read is the caller's mistake, not a database that is down.
  WEIR_TRY(check_address(uri));
  constexpr const char* nothing = "weir-looks-only";
  const char* keywords[] = {"dbname", "sslmode", nullptr};
  const char* values[] = {uri.c_str(), nothing, nullptr};
  const std::unique_ptr<pg_conn, void (*)(pg_conn*)> looking(
      PQconnectStartParams(keywords, values, 1), PQfinish);
  if (!looking) return unavailable("PostgreSQL: out of memory");
  const Options resolved(PQconninfo(looking.get()), PQconninfoFree);
  if (!resolved) return unavailable("PostgreSQL: out of memory");
  Named named;
  bool looked = false;
  std::string_view attributes;
  for (const auto* option = resolved.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const std::string_view value = option->val != nullptr ? option->val : "";
    if (keyword == "host") named.names = split(value);
    if (keyword == "hostaddr") named.addresses = split(value);
    if (keyword == "port") named.ports = split(value);
    if (keyword == "sslmode") looked = value == nothing;
    if (keyword == "target_session_attrs") attributes = value;
  }
  // A service that is not there, for one; such a text names files and services, not the address.
  if (!looked) {
    std::string_view text = PQerrorMessage(looking.get());
    while (text.ends_with('\n')) text.remove_suffix(1);
    return invalid_field("store", text);
  }
  constexpr std::string_view known[] = {"",        "any",     "read-write",    "read-only",
                                        "primary", "standby", "prefer-standby"};
  if (std::find(std::begin(known), std::end(known), attributes) == std::end(known)) {
    return invalid_field("store",
                         "target_session_attrs is not any, read-write, read-only, primary, "
                         "standby or prefer-standby");
  }
  const auto bad_port = [](const std::string& port) { return !port.empty() && !is_port(port); };
  if (std::any_of(named.ports.begin(), named.ports.end(), bad_port)) {
    return unreadable("a port is not a number from 1 to 65535");
  }
  // One at its front names a socket.
  const auto bad_name = [](const std::string& name) { return name.find('@', 1) != name.npos; };
  if (std::any_of(named.names.begin(), named.names.end(), bad_name)) {
    return unreadable("the name of a host has an '@'");
  }
  return named;
}

/// Of lists of libpq that belong together, the element; one for all when there is just one.
std::string at(const std::vector<std::string>& list, std::size_t index) {
  if (list.size() == 1) return list.front();
  return index < list.size() ? list[index] : std::string();
}

}  // namespace

std::string to_string(const Host& host) {
  const auto& name = host.name.empty() ? host.address : host.name;
  const std::string_view shown = name.empty() ? std::string_view("localhost") : name;
  const std::string_view port = host.port.empty() ? std::string_view("5432") : host.port;
  return shown.find(':') == shown.npos ? fmt::format("{}:{}", shown, port)
                                       : fmt::format("[{}]:{}", shown, port);
}

Result<void> check_address(const std::string& uri) {
  char* problem = nullptr;
  const Options parsed(PQconninfoParse(uri.c_str(), &problem), PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> freed(problem, PQfreemem);
  if (!parsed) return unreadable(problem != nullptr ? problem : "out of memory");
  return {};
}

Result<std::shared_ptr<Hosts>> Hosts::of(const std::string& uri,
                                         const std::vector<std::string>& more) {
  WEIR_TRY_ASSIGN(named, resolve(uri));
  const auto& [names, addresses, ports] = named;
  const auto count = std::max({names.size(), addresses.size(), std::size_t{1}});
  if (ports.size() > 1 && ports.size() != count) {
    return invalid_field("store", fmt::format("{} ports for {} hosts", ports.size(), count));
  }
  if (names.size() > 1 && addresses.size() > 1 && names.size() != addresses.size()) {
    return invalid_field("store", "as many in 'hostaddr' as in 'host' are wanted");
  }
  std::vector<Host> all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(
        {i < names.size() ? names[i] : "", i < addresses.size() ? addresses[i] : "", at(ports, i)});
  }
  for (const auto& text : more) {
    WEIR_TRY_ASSIGN(host, parse(text));
    const bool known = std::any_of(all.begin(), all.end(), [&](const Host& other) {
      return to_string(other) == to_string(host);
    });
    if (!known) all.push_back(std::move(host));
  }
  if (all.size() > hosts_max) return past_limit("hosts", all.size(), hosts_max, "hosts");
  return std::shared_ptr<Hosts>(new Hosts(std::move(all)));
}

std::shared_ptr<Hosts> Hosts::of(Host host) {
  return std::shared_ptr<Hosts>(new Hosts({std::move(host)}));
}

std::vector<std::size_t> Hosts::order() const {
  std::vector<std::size_t> order(all_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::lock_guard lock(mutex_);
  std::stable_sort(order.begin(), order.end(),
                   [this](std::size_t a, std::size_t b) { return ranks_[a] < ranks_[b]; });
  return order;
}

std::optional<std::stop_token> Hosts::found_primary(std::size_t index, std::uint32_t timeline) {
  const std::lock_guard lock(mutex_);
  if (timeline != 0 && timeline < timeline_) return std::nullopt;
  const auto before = primary_;
  const auto found = static_cast<std::ptrdiff_t>(index);
  const bool promoted = timeline_ != 0 && timeline > timeline_;
  if (promoted || (before >= 0 && before != found)) ++changes_;
  primary_ = found;
  if (timeline > timeline_) {
    // With the lock held: who sees the change gets no more answers of the old primary.
    const bool name_moved = promoted && before == found;
    for (std::size_t host = 0; host < all_.size(); ++host) {
      if (host == index && !name_moved) continue;
      std::exchange(replaced_[host], {}).request_stop();
    }
    timeline_ = timeline;
  }
  for (auto& rank : ranks_) {
    if (rank < 0) rank = 0;
  }
  ranks_[index] = -1;
  return all_.size() < 2 ? std::stop_token() : replaced_[index].get_token();
}

void Hosts::saw_primary(std::size_t index, std::uint32_t timeline) {
  {
    const std::lock_guard lock(mutex_);
    if (timeline <= timeline_) return;
  }
  found_primary(index, timeline);
}

std::stop_token Hosts::replaced(std::size_t index) const {
  if (all_.size() < 2) return {};
  const std::lock_guard lock(mutex_);
  return replaced_[index].get_token();
}

void Hosts::failed(std::size_t index) {
  const std::lock_guard lock(mutex_);
  ranks_[index] = ++last_rank_;
}

std::optional<std::size_t> Hosts::primary() const {
  const std::lock_guard lock(mutex_);
  if (primary_ < 0) return std::nullopt;
  return static_cast<std::size_t>(primary_);
}

std::uint32_t Hosts::timeline() const {
  const std::lock_guard lock(mutex_);
  return timeline_;
}

std::size_t Hosts::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

}  // namespace weir::postgres
