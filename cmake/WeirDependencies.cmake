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
weir_need_module(WEIR_GRPC grpc++)
weir_need_module(WEIR_SQLITE sqlite3)
weir_need_module(WEIR_LIBPQ libpq)
weir_need_module(WEIR_XXHASH libxxhash)
