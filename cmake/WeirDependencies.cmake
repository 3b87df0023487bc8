# Everything comes from Debian 12; the package names are in tools/packages.
# The installed WeirConfig.cmake includes this file too, so that both see the same targets.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(Protobuf REQUIRED)
pkg_check_modules(WEIR_GRPC REQUIRED IMPORTED_TARGET GLOBAL grpc++)
pkg_check_modules(WEIR_SQLITE REQUIRED IMPORTED_TARGET GLOBAL sqlite3)
pkg_check_modules(WEIR_LIBPQ REQUIRED IMPORTED_TARGET GLOBAL libpq)
pkg_check_modules(WEIR_XXHASH REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
