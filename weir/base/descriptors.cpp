#include <weir/base/descriptors.hpp>

#include <sys/resource.h>

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

void raise_descriptors_max() {
  auto now = limit();
  now.rlim_cur = now.rlim_max;
  WEIR_ASSERT(::setrlimit(RLIMIT_NOFILE, &now) == 0);
}

}  // namespace weir
