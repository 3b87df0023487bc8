#include <weir/server/access.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <weir/base/assert.hpp>
#include <weir/base/random.hpp>
#include <weir/server/admission.hpp>
#include <weir/telemetry/api/metric_list.hpp>

namespace weir::server {
namespace {

constexpr std::string_view scheme = "bearer ";

bool is_bearer(std::string_view authorization) {
  if (authorization.size() < scheme.size()) return false;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != scheme[i]) return false;
  }
  return true;
}

Error unauthenticated(std::string message) {
  return {
      .code = Code::unauthenticated, .reason = Reason::token_needed, .message = std::move(message)};
}

/// What a peer calls itself is put into a log: no more than this, and nothing but printable ASCII.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 100));
  for (auto& c : out) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return out;
}

std::string peer_of(const grpc::ServerContext& context) {
  const auto client = handed_on_for(context);
  return client && !client->empty() ? "http:" + *client : context.peer();
}

}  // namespace

Error token_ended() {
  return unauthenticated("the token was revoked or changed, or has expired");
}

Result<void> Caller::valid(const telemetry::Context& context) const {
  if (access_ == nullptr) return {};
  switch (fault_) {
    case Fault::none:
      break;
    case Fault::missing:
      access_->denied("missing", *this, "no token", context);
      return unauthenticated("a bearer token is needed: send 'Authorization: Bearer weir_...'");
    case Fault::malformed:
      access_->denied("malformed", *this, "an authorization that is no bearer token", context);
      return unauthenticated("the authorization is not one bearer token: 'Bearer weir_...'");
    case Fault::unknown:
      access_->denied("unknown", *this, "a token that is nobody's", context);
      return unauthenticated("the token is not known here: it may have been revoked");
    case Fault::expired:
      access_->denied("expired", *this, "a token that has expired", context);
      return unauthenticated("the token has expired");
  }
  const auto& token = holder_->token;
  const bool expired = token.expires_at && *token.expires_at <= access_->clock().now();
  if (expired || holder_->ended.stop_requested()) {
    access_->denied("expired", *this, "a token that was good when the stream began", context);
    return token_ended();
  }
  return {};
}

Result<void> Caller::known(const telemetry::Context& context) const {
  return valid(context);
}

Result<void> Caller::may(security::Right right, std::string_view log,
                         const telemetry::Context& context) const {
  if (access_ == nullptr) return {};
  WEIR_TRY(valid(context));
  if (holder_->token.allows(right, log)) return {};
  const auto name = log.empty() ? std::string("default") : printable(log);
  access_->denied("right", *this,
                  fmt::format("it has no right to {} log '{}'", name_of(right), name), context);
  return Error{.code = Code::permission_denied,
               .reason = Reason::right_missing,
               .message = fmt::format("token {} has no right to {} log '{}'", holder_->token.id,
                                      name_of(right), name),
               .details = {{"right", std::string(name_of(right))}, {"log", name}}};
}

bool Caller::sees(std::string_view log) const {
  if (access_ == nullptr) return true;
  if (!holder_) return false;
  const auto& token = holder_->token;
  return token.allows(security::Right::read, log) || token.allows(security::Right::append, log) ||
         token.allows(security::Right::admin, log);
}

std::stop_token Caller::ended() const {
  return holder_ ? holder_->ended.get_token() : std::stop_token();
}

Access::Access(AccessOptions options)
    : options_(std::move(options)),
      tokens_needed_(options_.tokens.has_value()),
      denied_(options_.meter->counter(telemetry::metric::access_denied)),
      known_(std::make_shared<Known>()) {
  if (!tokens_needed_) return;
  const auto own = security::make_token({.name = "this server", .rights = {.read = {"*"}}},
                                        options_.clock->now(), random_secret(), random_seed());
  WEIR_ASSERT(own.ok());
  own_authorization_ = "Bearer " + own->secret;
  own_ = std::make_shared<Holder>(Holder{own->token, {}});
  replace(*options_.tokens);
}

std::shared_ptr<const Access::Known> Access::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

Caller Access::caller(const grpc::ServerContext& context) const {
  if (!tokens_needed_) return {};
  const auto& metadata = context.client_metadata();
  const auto [from, to] = metadata.equal_range("authorization");
  const auto peer = peer_of(context);
  if (from == to) return caller("", peer);
  // Which of several it is that counts must not be a matter of who looks.
  if (std::next(from) != to) return caller("several", peer);
  return caller({from->second.data(), from->second.size()}, peer);
}

Caller Access::caller(std::string_view authorization, std::string_view peer) const {
  Caller caller;
  if (!tokens_needed_) return caller;
  caller.access_ = this;
  caller.peer_ = printable(peer);
  if (authorization.empty()) {
    caller.fault_ = Caller::Fault::missing;
  } else if (!is_bearer(authorization)) {
    caller.fault_ = Caller::Fault::malformed;
  } else {
    const auto presented = authorization.substr(scheme.size());
    const auto all = known();
    const auto* token = all->tokens.find(presented);
    if (token == nullptr) {
      const bool own = security::equal(security::sha256(presented), own_->token.hash);
      if (own) caller.holder_ = own_;
      if (!own) caller.fault_ = Caller::Fault::unknown;
    } else if (token->expires_at && *token->expires_at <= options_.clock->now()) {
      caller.fault_ = Caller::Fault::expired;
    } else {
      caller.holder_ = all->holders.find(token->id)->second;
    }
  }
  return caller;
}

void Access::replace(const security::Tokens& tokens) {
  auto fresh = std::make_shared<Known>();
  fresh->tokens = tokens;
  const auto before = known();
  std::vector<std::shared_ptr<Holder>> gone;
  for (const auto& [id, token] : tokens.all()) {
    const auto kept = before->holders.find(id);
    const bool same = kept != before->holders.end() && kept->second->token == token;
    fresh->holders[id] = same ? kept->second : std::make_shared<Holder>(Holder{token, {}});
  }
  for (const auto& [id, holder] : before->holders) {
    const auto now = fresh->holders.find(id);
    if (now == fresh->holders.end() || now->second != holder) gone.push_back(holder);
  }
  {
    const std::lock_guard lock(mutex_);
    known_ = std::move(fresh);
  }
  // Whoever comes from now on is judged by the new ones, so nobody slips in between.
  for (const auto& holder : gone) holder->ended.request_stop();
}

void Access::end_expired() {
  const auto now = options_.clock->now();
  const auto all = known();
  for (const auto& [id, holder] : all->holders) {
    const auto& expires = holder->token.expires_at;
    if (expires && *expires <= now) holder->ended.request_stop();
  }
}

void Access::denied(std::string_view why, const Caller& caller, std::string_view what,
                    const telemetry::Context& context) const {
  denied_.bind({why}).add();
  std::uint64_t told = 0;
  {
    const std::lock_guard lock(lines_mutex_);
    told = lines_.take(options_.clock->instant());
  }
  if (told == 0) return;
  auto line = fmt::format("denied a call from {}: {}", caller.peer_, what);
  if (caller.holder_) {
    line += fmt::format(" (token {}, {})", caller.holder_->token.id,
                        printable(caller.holder_->token.name));
  }
  if (told > 1) line += fmt::format("; {} more were denied since the last line", told - 1);
  const telemetry::Scope scope(context);
  options_.log ? options_.log(line) : spdlog::warn(line);
}

}  // namespace weir::server
