# Everything comes from Debian 12; the package names are in tools/packages.
# The installed WeirConfig.cmake includes this file too, so that both see the same targets. Whoever
# includes it defines weir_need_package(NAME ...) and weir_need_module(TARGET pkg-config-module).

weir_need_package(Threads)
weir_need_package(PkgConfig)
weir_need_package(fmt)
weir_need_package(spdlog)
weir_need_package(simdjson)
weir_need_package(Boost 1.81 COMPONENTS json url)
weir_need_package(Protobuf)
weir_need_package(OpenSSL)
weir_need_package(yaml-cpp)
# What it has to be linked with is fewer than six steps away. To follow each of the hundreds of ways
# through the parts of Abseil to their ends took ten times as long as all else that is configured.
set(weir_pkg_config_argn ${PKG_CONFIG_ARGN})
if(PKG_CONFIG_VERSION_STRING VERSION_GREATER_EQUAL 1)  # pkgconf
  list(APPEND PKG_CONFIG_ARGN --maximum-traverse-depth=6)
endif()
weir_need_module(WEIR_GRPC grpc++)
set(PKG_CONFIG_ARGN ${weir_pkg_config_argn})
weir_need_module(WEIR_SQLITE sqlite3)
weir_need_module(WEIR_LIBPQ libpq)
weir_need_module(WEIR_XXHASH libxxhash)
