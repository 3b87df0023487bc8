#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <weir/open.hpp>
#include <weir/server/grpc_log.hpp>

#include <apps/weir/engines.hpp>
#include <apps/weir/interrupt.hpp>
#include <apps/weir/program.hpp>

namespace {

/// What is opened later shall not come to stand where results and errors are written.
void open_closed_standard_files() {
  for (int file = 0; file <= 2; ++file) {
    if (::fcntl(file, F_GETFD) >= 0) continue;
    // The lowest free number is given: this one. Without /dev/null there is nothing to be done.
    if (::open("/dev/null", O_RDWR) != file) std::_Exit(static_cast<int>(weir::cli::Exit::failed));
  }
}

}  // namespace

int main(int argc, char** argv) {
  open_closed_standard_files();
  weir::cli::exit_on_signals();
  // A reader that goes away shows as a failed write.
  std::signal(SIGPIPE, SIG_IGN);
  // Whoever sets GRPC_VERBOSITY wants to see it.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) weir::server::drop_grpc_log();
  weir::cli::Program program;
  program.open_catalog = [&program](const std::string& uri, weir::OpenOptions options) {
    options.callbacks_never_block = true;
    options.observer = program.observer;
    options.telemetry = program.telemetry;
    options.statement_text = program.statement_text;
    return weir::open_catalog(uri, std::move(options));
  };
  program.backup = weir::cli::backup;
  program.verify_engine = weir::cli::verify_engine;
  program.environment = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  program.whole_environment = [] {
    std::vector<std::string> all;
    for (char** each = environ; *each != nullptr; ++each) all.emplace_back(*each);
    return all;
  };
  program.interrupted = weir::cli::stop_on_signals;
  program.hangups = weir::cli::count_hangups;
  const auto exit = weir::cli::run({argv + 1, argv + argc}, program);
  // Threads of gRPC's may still be running: what static destructors take away, they may yet use.
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(exit));
}
