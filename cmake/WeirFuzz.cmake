# weir_fuzz(NAME SOURCES file ... MODULES module ... [LIBRARIES target ...])
#
# One libFuzzer program, bin/NAME_fuzz, built by Clang in the preset "asan", which is told what it
# reaches in these modules and nowhere else, and a test of the label "fuzz" that runs it for
# WEIR_FUZZ_SECONDS from the seeds in tests/fuzz/NAME. For longer:
#   tests/fuzz/run build/asan/bin/NAME_fuzz tests/fuzz/NAME 3600
function(weir_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  if(NOT WEIR_FUZZ OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    return()
  endif()
  set(target ${name}_fuzz)
  add_executable(${target} ${arg_SOURCES})
  target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${target} PRIVATE weir_warnings ${arg_LIBRARIES})
  foreach(module ${arg_MODULES})
    string(REPLACE "/" "_" module_id ${module})
    target_link_libraries(${target} PRIVATE weir_${module_id})
    target_compile_options(weir_${module_id} PRIVATE -fsanitize=fuzzer-no-link)
  endforeach()
  add_test(NAME fuzz_${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/fuzz/run
    $<TARGET_FILE:${target}> ${PROJECT_SOURCE_DIR}/tests/fuzz/${name})
  set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT 600 PROCESSORS 2)
  add_dependencies(weir_fuzzers ${target})
endfunction()

if(WEIR_FUZZ)
  add_custom_target(weir_fuzzers)  # every fuzz program
endif()
