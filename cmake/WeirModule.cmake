# weir_module(NAME
#   [DEPENDS module ...]     other modules, by folder name relative to weir/ (store/sqlite)
#   [LIBRARIES target ...]   libraries that its public headers need
#   [PRIVATE target ...]     libraries that only its sources need
#   [TEST target ...]        what only its tests need
#   [FOLDERS folder ...]     folders below this one whose files are also its own
#   [PRECOMPILE header ...]) headers worth precompiling
#
# One folder is one static library. Sources, headers and tests lie side by side: *_test.cpp needs
# nothing, *_pgtest.cpp needs PostgreSQL, *_fuzz.cpp is a libFuzzer target. The tests of a module are one program.
function(weir_module name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES;PRIVATE;TEST;FOLDERS;PRECOMPILE" ${ARGN})
  string(REPLACE "/" "_" id ${name})
  set(target weir_${id})

  list(TRANSFORM arg_FOLDERS APPEND /*.cpp OUTPUT_VARIABLE more)
  file(GLOB sources CONFIGURE_DEPENDS *.cpp ${more})
  list(TRANSFORM arg_FOLDERS APPEND /*.hpp OUTPUT_VARIABLE more)
  file(GLOB headers CONFIGURE_DEPENDS *.hpp ${more})
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_(test|pgtest)\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_(test|pgtest|bench|fuzz)\\.cpp$")

  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC ${arg_LIBRARIES} PRIVATE $<BUILD_INTERFACE:weir_warnings> ${arg_PRIVATE})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_LIBRARIES})
    set(scope INTERFACE)
  endif()
  add_library(Weir::${id} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${id} VERIFY_INTERFACE_HEADER_SETS ON)
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  foreach(module ${arg_DEPENDS})
    string(REPLACE "/" "_" module_id ${module})
    target_link_libraries(${target} ${scope} weir_${module_id})
  endforeach()
  if(sources AND arg_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${arg_PRECOMPILE})
  endif()
  install(TARGETS ${target} EXPORT WeirTargets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

  if(BUILD_TESTING AND tests)
    set(support)
    if("${tests}" MATCHES "_pgtest\\.cpp")
      set(support weir_test_support)
    endif()
    weir_test(${id} SOURCES ${tests} MODULES ${name} LIBRARIES ${support} ${arg_TEST})
  endif()
endfunction()

# weir_test(NAME SOURCES file ... MODULES module ... [LIBRARIES target ...]): one GoogleTest program.
function(weir_test id)
  cmake_parse_arguments(arg "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  set(target ${id}_tests)
  if(WEIR_TESTS AND NOT id MATCHES "${WEIR_TESTS}")
    return()
  endif()
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main weir_warnings ${arg_LIBRARIES})
  foreach(module ${arg_MODULES})
    string(REPLACE "/" "_" module_id ${module})
    target_link_libraries(${target} PRIVATE weir_${module_id})
  endforeach()
  target_precompile_headers(${target} REUSE_FROM weir_test_headers)
  add_test(NAME ${id} COMMAND ${target})
  add_dependencies(weir_tests ${target})
  set_tests_properties(${id} PROPERTIES TIMEOUT 600)
endfunction()

if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  add_custom_target(weir_tests)  # every test program, and what they run
  # Precompiled once for all of them.
  file(WRITE ${PROJECT_BINARY_DIR}/test_headers.cpp "int main() {}\n")
  add_executable(weir_test_headers EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/test_headers.cpp)
  target_link_libraries(weir_test_headers PRIVATE GTest::gmock GTest::gtest_main weir_warnings)
  target_precompile_headers(weir_test_headers PRIVATE <gtest/gtest.h> <gmock/gmock.h>)
endif()
