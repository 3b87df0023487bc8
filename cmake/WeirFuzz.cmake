# weir_fuzz(NAME SOURCES file ... MODULES module ... [LIBRARIES target ...])
#
# One libFuzzer program, bin/NAME_fuzz, built only by Clang (preset "fuzz"). Run it with a folder for
# its corpus and a bound: bin/json_fuzz corpus -max_total_time=60.
function(weir_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  if(NOT WEIR_FUZZ OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    return()
  endif()
  set(target ${name}_fuzz)
  add_executable(${target} ${arg_SOURCES})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer,address)
  target_link_libraries(${target} PRIVATE weir_warnings ${arg_LIBRARIES})
  foreach(module ${arg_MODULES})
    string(REPLACE "/" "_" module_id ${module})
    target_link_libraries(${target} PRIVATE weir_${module_id})
  endforeach()
endfunction()
