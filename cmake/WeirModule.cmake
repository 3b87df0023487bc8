# weir_module(NAME
#   [DEPENDS module ...]     other modules, by folder name relative to weir/ (store/sqlite)
#   [LIBRARIES target ...]   libraries that its public headers need
#   [PRIVATE target ...]     libraries that only its sources need
#   [TEST target ...]        what only its tests need
#   [FOLDERS folder ...]     folders below this one whose files are also its own
#   [PRECOMPILE header ...]  headers worth precompiling
#   [APART file ...])        sources and tests that no batch may have: see WeirBatch.cmake
#
# One folder is one static library. Sources, headers and tests lie side by side: *_test.cpp needs
# nothing, *_pgtest.cpp needs PostgreSQL, *_fuzz.cpp is a libFuzzer target. The tests of a module are one program.
function(weir_module name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LIBRARIES;PRIVATE;TEST;FOLDERS;PRECOMPILE;APART" ${ARGN})
  string(REPLACE "/" "_" id ${name})
  set(target weir_${id})

  list(TRANSFORM arg_FOLDERS APPEND /*.cpp OUTPUT_VARIABLE more)
  file(GLOB sources CONFIGURE_DEPENDS *.cpp ${more})
  list(TRANSFORM arg_FOLDERS APPEND /*.hpp OUTPUT_VARIABLE more)
  file(GLOB headers CONFIGURE_DEPENDS *.hpp ${more})
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_(test|pgtest)\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_(test|pgtest|bench|fuzz)\\.cpp$")

  list(TRANSFORM arg_APART PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  if(sources)
    weir_batch(sources ${target} FILES ${sources} APART ${arg_APART})
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
  list(LENGTH sources compiled)
  # For fewer it takes as long as it saves.
  if(compiled GREATER 7 AND arg_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE ${arg_PRECOMPILE})
  endif()
  install(TARGETS ${target} EXPORT WeirTargets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

  if(BUILD_TESTING AND tests)
    set(support)
    set(run)
    if("${tests}" MATCHES "_pgtest\\.cpp")
      set(support weir_test_support)
      set(run SHARDS 4 WAITS)
    endif()
    weir_test(${id} SOURCES ${tests} MODULES ${name} LIBRARIES ${support} ${arg_TEST}
      APART ${arg_APART} ${run})
  endif()
endfunction()

# weir_test(NAME SOURCES file ... MODULES module ... [LIBRARIES target ...] [APART file ...]
#   [SHARDS number] [TIMEOUT seconds] [WAITS]): one GoogleTest program.
#
# SHARDS: run in so many parts, which may run side by side; default 1. TIMEOUT: default 600. WAITS:
# it waits more than it computes, so that others may run beside it: ./test runs two that compute at a
# time, and up to four of those that wait.
function(weir_test id)
  cmake_parse_arguments(arg "WAITS" "SHARDS;TIMEOUT" "SOURCES;MODULES;LIBRARIES;APART" ${ARGN})
  set(target ${id}_tests)
  if(WEIR_TESTS AND NOT id MATCHES "${WEIR_TESTS}")
    return()
  endif()
  weir_batch(sources ${target} FILES ${arg_SOURCES} APART ${arg_APART})
  add_executable(${target} ${sources})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main weir_warnings ${arg_LIBRARIES})
  foreach(module ${arg_MODULES})
    string(REPLACE "/" "_" module_id ${module})
    target_link_libraries(${target} PRIVATE weir_${module_id})
  endforeach()
  target_link_libraries(${target} PRIVATE weir_test_flags)
  target_precompile_headers(${target} REUSE_FROM weir_test_headers)
  add_dependencies(weir_tests ${target})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  # What takes longest begins first, and what waits before what computes, of which there is much that
  # is short: so that no program is left alone at the end.
  set(slots 2)
  set(cost ${arg_TIMEOUT})
  if(arg_WAITS)
    set(slots 1)
    math(EXPR cost "${cost} + 1")
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT} PROCESSORS ${slots} COST ${cost})
  if(NOT arg_SHARDS)
    add_test(NAME ${id} COMMAND ${target})
    set_tests_properties(${id} PROPERTIES ${properties})
    return()
  endif()
  foreach(shard RANGE 1 ${arg_SHARDS})
    math(EXPR index "${shard} - 1")
    add_test(NAME ${id}_${shard} COMMAND ${target})
    set_tests_properties(${id}_${shard} PROPERTIES ${properties}
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()

if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  add_custom_target(weir_tests)  # every test program, and what they run
  # Tests themselves are not optimized: that would take half of their time again.
  add_library(weir_test_flags INTERFACE)
  target_compile_options(weir_test_flags INTERFACE -O0)
  # Precompiled once for all of them.
  file(WRITE ${PROJECT_BINARY_DIR}/test_headers.cpp "int main() {}\n")
  add_executable(weir_test_headers EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/test_headers.cpp)
  target_link_libraries(weir_test_headers PRIVATE GTest::gmock GTest::gtest_main weir_warnings weir_test_flags)
  target_precompile_headers(weir_test_headers PRIVATE <gtest/gtest.h> <gmock/gmock.h>)
endif()
