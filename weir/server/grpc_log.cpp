#include <weir/server/grpc_log.hpp>

#include <grpc/support/log.h>

#include <mutex>
#include <string_view>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <weir/base/time.hpp>
#include <weir/server/line_budget.hpp>

namespace weir::server {
namespace {

std::uint64_t take_line() {
  static std::mutex mutex;
  static LineBudget lines;
  const std::lock_guard lock(mutex);
  return lines.take(system_clock().instant());
}

/// gRPC puts texts of its peers into its own.
std::string one_line(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

void log_line(gpr_log_func_args* line) {
  const bool error = line->severity == GPR_LOG_SEVERITY_ERROR;
  const auto level = error ? spdlog::level::warn : spdlog::level::debug;
  if (!spdlog::should_log(level)) return;
  const auto told = take_line();
  if (told == 0) return;
  std::string_view file = line->file;
  file.remove_prefix(file.rfind('/') + 1);
  auto text = fmt::format("grpc: {} ({}:{})", one_line(line->message), file, line->line);
  if (told > 1) text += fmt::format("; {} more since the last line", told - 1);
  spdlog::log(level, "{}", text);
}

}  // namespace

void log_grpc() {
  gpr_set_log_function(log_line);
}

void drop_grpc_log() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace weir::server
