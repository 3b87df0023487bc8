#include <weir/sql/postgres/hosts.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <weir/base/uri.hpp>

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

Result<std::shared_ptr<Hosts>> Hosts::of(const std::string& uri,
                                         const std::vector<std::string>& more) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(uri.c_str(), &problem), PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> freed(problem, PQfreemem);
  if (!parsed) {
    // An address that can't be read is the caller's mistake, not a database that is down.
    if (const auto shown = without_password(uri); shown != uri) {
      // What libpq says of it may quote the password.
      return invalid_field("store",
                           fmt::format("libpq can't read '{}'; in a password, @ is written "
                                       "%40, / %2F and % %25",
                                       shown));
    }
    std::string_view text = problem != nullptr ? problem : "out of memory";
    while (text.ends_with('\n')) text.remove_suffix(1);
    return invalid_field("store", text);
  }
  std::vector<std::string> names, addresses, ports;
  for (const auto* option = parsed.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const std::string_view value = option->val != nullptr ? option->val : "";
    if (keyword == "host") names = split(value);
    if (keyword == "hostaddr") addresses = split(value);
    if (keyword == "port") ports = split(value);
  }
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
    if (std::find(all.begin(), all.end(), host) == all.end()) all.push_back(std::move(host));
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

bool Hosts::found_primary(std::size_t index, std::uint32_t timeline) {
  std::vector<std::stop_source> ended;
  {
    const std::lock_guard lock(mutex_);
    if (timeline != 0 && timeline < timeline_) return false;
    if (timeline > timeline_) {
      for (std::size_t host = 0; host < all_.size(); ++host) {
        if (host != index) ended.push_back(std::exchange(replaced_[host], {}));
      }
      timeline_ = timeline;
    }
    const auto found = static_cast<std::ptrdiff_t>(index);
    if (primary_ >= 0 && primary_ != found) ++changes_;
    primary_ = found;
    for (auto& rank : ranks_) {
      if (rank < 0) rank = 0;
    }
    ranks_[index] = -1;
  }
  // Whoever waits on one of these wakes up, and may ask for the next host at once.
  for (auto& host : ended) host.request_stop();
  return true;
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

std::size_t Hosts::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

}  // namespace weir::postgres
