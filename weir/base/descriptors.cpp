#include <weir/base/descriptors.hpp>

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include <weir/base/assert.hpp>

namespace weir {
namespace {

rlimit limit() {
  rlimit now{};
  WEIR_ASSERT(::getrlimit(RLIMIT_NOFILE, &now) == 0);
  return now;
}

}  // namespace

std::size_t descriptors_max() {
  return limit().rlim_cur;
}

Result<void> raise_descriptors_max() {
  auto now = limit();
  now.rlim_cur = now.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &now) == 0) return {};
  return unavailable(fmt::format("the limit of open files stays at {}: {}", descriptors_max(),
                                 std::generic_category().message(errno)));
}

}  // namespace weir
