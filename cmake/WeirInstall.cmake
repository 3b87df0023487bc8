# `cmake --install` and then, elsewhere: find_package(Weir) and link Weir::weir.

include(CMakePackageConfigHelpers)
set(WEIR_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Weir)
install(EXPORT WeirTargets NAMESPACE Weir:: DESTINATION ${WEIR_CONFIG_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/WeirConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/WeirConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/WeirConfig.cmake
  ${PROJECT_SOURCE_DIR}/cmake/WeirDependencies.cmake
  DESTINATION ${WEIR_CONFIG_DIR})
