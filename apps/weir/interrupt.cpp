#include <apps/weir/interrupt.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <thread>

#include <unistd.h>

#include <weir/base/assert.hpp>

#include <apps/weir/program.hpp>

namespace weir::cli {
namespace {

/// A handler may do little more than write; the thread at the other end does the rest.
std::array<int, 2> signal_pipe = {-1, -1};

void on_signal(int number) {
  const int before = errno;
  std::signal(number, SIG_DFL);
  const char byte = 0;
  // The pipe is empty, so there is room.
  if (::write(signal_pipe[1], &byte, 1) != 1) ::_exit(128 + number);
  errno = before;
}

/// What a handler may do.
void on_early_signal(int) {
  constexpr std::string_view said = "error: interrupted\n";
  // Where that cannot be written there is nobody to be told.
  static_cast<void>(::write(STDERR_FILENO, said.data(), said.size()) == 0);
  ::_exit(static_cast<int>(Exit::interrupted));
}

std::stop_source& start() {
  static std::stop_source stop;
  WEIR_ASSERT(::pipe(signal_pipe.data()) == 0);
  std::thread([] {
    char byte = 0;
    while (::read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR) {
    }
    stop.request_stop();
  }).detach();
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM}) {
    WEIR_ASSERT(::sigaction(number, &action, nullptr) == 0);
  }
  return stop;
}

std::atomic<std::uint64_t> hangups_seen = 0;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a handler may do no more");

void on_hangup(int) {
  ++hangups_seen;
}

}  // namespace

void exit_on_signals() {
  struct sigaction action {};
  action.sa_handler = on_early_signal;
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    WEIR_ASSERT(::sigaction(number, nullptr, &before) == 0);
    if (before.sa_handler == SIG_IGN) continue;
    WEIR_ASSERT(::sigaction(number, &action, nullptr) == 0);
  }
}

std::uint64_t count_hangups() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_handler = on_hangup;
    action.sa_flags = SA_RESTART;
    WEIR_ASSERT(::sigaction(SIGHUP, &action, nullptr) == 0);
    return true;
  }();
  static_cast<void>(installed);
  return hangups_seen;
}

std::stop_token stop_on_signals() {
  static std::stop_source& stop = start();
  return stop.get_token();
}

}  // namespace weir::cli
