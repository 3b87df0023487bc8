#include <apps/weir/program.hpp>

namespace weir::cli {

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"serve", "Serve a store over gRPC and HTTP", define_serve},
      {"append", "Append events, all or none", define_append},
      {"read", "Print the events that match", define_read},
      {"tail", "Print events as they are appended", define_tail},
      {"head", "Print the position of the last event", define_head},
      {"import", "Append the rows of a CSV or NDJSON file, each once", define_import},
      {"export", "Write events as NDJSON", define_export},
      {"verify", "Look for damage in a log", define_verify},
      {"bench", "Measure a server or a store under load", define_bench},
      {"backup", "Copy a store while it is in use", define_backup},
      {"log list", "List the logs", define_log_list},
      {"log create", "Create a log", define_log_create},
      {"config check", "Look for mistakes in a file of settings", define_config_check},
      {"config print", "Print the settings that a server would have", define_config_print},
      {"token create", "Make a token that lets somebody in", define_token_create},
      {"token list", "List the tokens of a file", define_token_list},
      {"token revoke", "Take tokens out of a file", define_token_revoke},
      {"completion", "Print a shell's completion script", define_completion},
  };
  return all;
}

}  // namespace weir::cli
