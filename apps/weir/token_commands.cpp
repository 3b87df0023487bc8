#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weir/base/json.hpp>
#include <weir/base/random.hpp>
#include <weir/config/quantity.hpp>
#include <weir/security/token_file.hpp>

#include <apps/weir/event_text.hpp>
#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

/// --tokens, or the variable that the server's setting has.
struct FileOption {
  std::string path = {};

  void add_to(Flags& flags) {
    flags
        .add("--tokens", path,
             "The file of tokens, as 'weir serve' is given it; or WEIR_ACCESS_TOKENS")
        .type_name("FILE");
  }
  Result<std::string> file(const Program& program) const {
    if (!path.empty()) return path;
    if (auto named = program.environment("WEIR_ACCESS_TOKENS").value_or(""); !named.empty()) {
      return named;
    }
    return invalid_field("--tokens", "say which file of tokens");
  }
};

struct Creating {
  FileOption file;
  security::TokenRequest request;
  std::optional<std::string> expires;
  bool json = false;
};

/// A time, or how long from now.
Result<Timestamp> end_of(const std::string& text, Timestamp now) {
  if (const auto time = parse_timestamp(text)) return *time;
  const auto wait = config::parse_duration(text);
  if (wait) return now + *wait;
  return invalid_field("--expires", fmt::format("'{}' is neither a time in RFC 3339 nor a duration "
                                                "from now, such as 90d",
                                                text));
}

Result<Exit> create(const Creating& options, Program& program) {
  WEIR_TRY_ASSIGN(file, options.file.file(program));
  const auto now = program.clock->now();
  auto request = options.request;
  if (options.expires) {
    WEIR_TRY_ASSIGN(end, end_of(*options.expires, now));
    request.expires_at = end;
  }
  WEIR_TRY_ASSIGN(made, security::make_token(request, now, random_secret(), random_seed()));
  WEIR_TRY(security::change_tokens(
      file, [&](security::Tokens& tokens) { return tokens.add(made.token); }));
  Output out(program.out);
  if (options.json) {
    out.write(fmt::format("{{\"id\":\"{}\",\"token\":\"{}\"}}\n", made.token.id, made.secret));
  } else {
    out.write(made.secret + "\n");
    tell(program,
         fmt::format(
             "token {} is in {}; it is not shown again. A server that runs takes it on SIGHUP\n",
             made.token.id, file));
  }
  return out.finish();
}

std::string state_of(const security::Token& token, Timestamp now) {
  if (!token.expires_at) return "does not expire";
  return (*token.expires_at <= now ? "expired " : "expires ") + format_timestamp(*token.expires_at);
}

std::string to_text(const security::Token& token, Timestamp now) {
  std::string rights;
  const auto add = [&](std::string_view right, const security::LogPatterns& logs) {
    if (logs.empty()) return;
    rights += fmt::format("{}{}:{}", rights.empty() ? "" : " ", right, fmt::join(logs, ","));
  };
  add("read", token.rights.read);
  add("append", token.rights.append);
  add("admin", token.rights.admin);
  return fmt::format("{}  {:<24} {:<40} {}\n", token.id, printable(token.name), rights,
                     state_of(token, now));
}

std::string to_json(const security::Token& token) {
  const auto list = [](const security::LogPatterns& logs) {
    return logs.empty() ? std::string("[]") : fmt::format("[\"{}\"]", fmt::join(logs, "\",\""));
  };
  auto out = fmt::format("{{\"id\":\"{}\",\"name\":", token.id);
  append_json_string(out, token.name);
  out += fmt::format(",\"read\":{},\"append\":{},\"admin\":{},\"createdAt\":\"{}\"",
                     list(token.rights.read), list(token.rights.append), list(token.rights.admin),
                     format_timestamp(token.created_at));
  if (token.expires_at) {
    out += fmt::format(",\"expiresAt\":\"{}\"", format_timestamp(*token.expires_at));
  }
  return out + "}\n";
}

Result<Exit> list(const FileOption& option, bool json, Program& program) {
  WEIR_TRY_ASSIGN(file, option.file(program));
  WEIR_TRY_ASSIGN(tokens, security::read_tokens(file));
  Output out(program.out);
  for (const auto& [id, token] : tokens.all()) {
    out.write(json ? to_json(token) : to_text(token, program.clock->now()));
  }
  return out.finish();
}

Result<Exit> revoke(const FileOption& option, const std::vector<std::string>& ids,
                    Program& program) {
  WEIR_TRY_ASSIGN(file, option.file(program));
  WEIR_TRY(security::change_tokens(file, [&](security::Tokens& tokens) -> Result<void> {
    for (const auto& id : ids) {
      if (tokens.remove(id)) continue;
      return Error{.code = Code::not_found,
                   .message = fmt::format("{}: there is no token {}", file, id)};
    }
    return {};
  }));
  tell(program, "a server that runs takes it on SIGHUP, and ends the token's streams\n");
  return Exit::fine;
}

}  // namespace

Run define_token_create(Flags& flags, Program& program) {
  auto options = std::make_shared<Creating>();
  flags.add("name", options->request.name, "Whose it is, for people").required();
  options->file.add_to(flags);
  auto& rights = options->request.rights;
  flags.add_list("--read", rights.read, "A log it may read, with * for any characters; repeat");
  flags.add_list("--append", rights.append, "A log it may append to; repeat");
  flags.add_list("--admin", rights.admin, "A log it may create; repeat");
  flags.add("--expires", options->expires, "When: a time in RFC 3339, or how long from now")
      .type_name("TIME");
  flags.add("--json", options->json, "Print a JSON object with id and token");
  flags.footer("Prints the token once. The file holds its SHA-256 only.");
  return [options, &program] { return create(*options, program); };
}

Run define_token_list(Flags& flags, Program& program) {
  auto file = std::make_shared<FileOption>();
  auto json = std::make_shared<bool>(false);
  flags.add("--json", *json, "Print a JSON object for each, a line each");
  file->add_to(flags);
  return [file, json, &program] { return list(*file, *json, program); };
}

Run define_token_revoke(Flags& flags, Program& program) {
  auto file = std::make_shared<FileOption>();
  auto ids = std::make_shared<std::vector<std::string>>();
  flags.add_arguments("id", *ids, "What 'weir token list' calls it").required();
  file->add_to(flags);
  return [file, ids, &program] { return revoke(*file, *ids, program); };
}

}  // namespace weir::cli
