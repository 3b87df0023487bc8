#include <csignal>

#include <apps/weir/interrupt.hpp>
#include <apps/weir/program.hpp>

#if __has_include(<weir/open.hpp>)
#include <weir/open.hpp>
#endif

int main(int argc, char** argv) {
  // A reader that goes away shows as a failed write.
  std::signal(SIGPIPE, SIG_IGN);
  weir::cli::Program program;
#if __has_include(<weir/open.hpp>)
  program.open_catalog = weir::open_catalog;
#endif
  program.interrupted = weir::cli::stop_on_signals;
  return static_cast<int>(weir::cli::run({argv + 1, argv + argc}, program));
}
