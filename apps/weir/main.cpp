#include <csignal>

#include <weir/open.hpp>

#include <apps/weir/engines.hpp>
#include <apps/weir/interrupt.hpp>
#include <apps/weir/program.hpp>

int main(int argc, char** argv) {
  // A reader that goes away shows as a failed write.
  std::signal(SIGPIPE, SIG_IGN);
  weir::cli::Program program;
  program.open_catalog = [](const std::string& uri, bool create) {
    return weir::open_catalog(uri, {.create = create});
  };
  program.backup = weir::cli::backup;
  program.verify_engine = weir::cli::verify_engine;
  program.interrupted = weir::cli::stop_on_signals;
  return static_cast<int>(weir::cli::run({argv + 1, argv + argc}, program));
}
