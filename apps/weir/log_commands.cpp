#include <fmt/format.h>

#include <weir/base/json.hpp>

#include <apps/weir/options.hpp>
#include <apps/weir/output.hpp>

namespace weir::cli {
namespace {

struct Options {
  StoreOptions store;
  std::string name;
  std::vector<std::string> indexed_keys;
  bool json = false;
};

std::string to_json(const LogInfo& info) {
  auto out =
      fmt::format("{{\"log\":\"{}\",\"head\":{},\"indexedKeys\":[", info.name, info.head.value);
  for (const auto& key : info.options.indexed_keys) {
    if (out.back() != '[') out += ',';
    append_json_string(out, key);
  }
  return out + fmt::format("],\"createdAt\":\"{}\"}}\n", format_timestamp(info.created_at));
}

std::string to_text(const LogInfo& info) {
  return fmt::format("{:<24} {:>12}  {:<27} {}\n", info.name, info.head.value,
                     format_timestamp(info.created_at), fmt::join(info.options.indexed_keys, ","));
}

Result<Exit> list(const Options& options, Program& program) {
  WEIR_TRY_ASSIGN(catalog, options.store.open_catalog(program, StoreOptions::Missing::fails));
  WEIR_TRY_ASSIGN(logs, catalog->list(options.store.call(program)));
  Output out(program.out);
  if (!options.json) {
    out.write(fmt::format("{:<24} {:>12}  {:<27} {}\n", "log", "head", "created", "indexed keys"));
  }
  for (const auto& log : logs) out.write(options.json ? to_json(log) : to_text(log));
  return out.finish();
}

Result<Exit> create(const Options& options, Program& program) {
  const LogOptions wanted{.indexed_keys = options.indexed_keys};
  // A store that is made has the log "default" at once.
  const auto default_log = options.name == StoreOptions().log ? wanted : LogOptions();
  WEIR_TRY_ASSIGN(catalog,
                  options.store.open_catalog(program, StoreOptions::Missing::is_made, default_log));
  WEIR_TRY_ASSIGN(log, catalog->create(options.name, wanted, options.store.call(program)));
  Output out(program.out);
  out.write(options.json ? to_json(log) : fmt::format("{}\n", log.name));
  return out.finish();
}

}  // namespace

Run define_log_list(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("--json", options->json, "Print a JSON object for each, a line each");
  options->store.add_store_to(flags);
  return [options, &program] { return list(*options, program); };
}

Run define_log_create(Flags& flags, Program& program) {
  auto options = std::make_shared<Options>();
  flags.add("name", options->name, "1 to 63 of a-z, 0-9, - and _").required();
  flags.add_list("--index", options->indexed_keys,
                 "A top-level payload key to index for --where; repeat for up to 16");
  flags.add("--json", options->json, "Print the log as a JSON object");
  options->store.add_store_to(flags);
  flags.footer("Fine when the log is there already with the same keys.");
  return [options, &program] { return create(*options, program); };
}

}  // namespace weir::cli
