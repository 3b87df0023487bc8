# Compiler settings that hold for every target of this project.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# Assertions guard the log, so they stay on in release builds (no NDEBUG); -g1 keeps
# stack traces with lines at a third of the object size.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

set(WEIR_SANITIZE "" CACHE STRING "Sanitizer to build with: address, thread, undefined or empty")
set(WEIR_TESTS "" CACHE STRING "Regular expression of the test programs to build; empty for all")
set(WEIR_BATCH 1 CACHE STRING
  "Sources of a module that are compiled as one, so that they share the cost of their headers; 1 for none")
option(WEIR_WERROR "Treat warnings as errors" ON)

if(WEIR_SANITIZE)
  add_compile_options(-fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WEIR_SANITIZE})
  if(WEIR_SANITIZE STREQUAL "thread")
    # Asio fences beside its mutexes; GCC warns that the sanitizer does not see fences.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
  if(WEIR_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()

option(WEIR_FUZZ "Build the fuzz programs too (Clang only, with WEIR_SANITIZE)" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  # A precompiled header that is built again is the same for what includes it.
  add_compile_options("$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(weir_warnings INTERFACE)
target_compile_options(weir_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
  # -Wrestrict cries wolf over std::string in GCC 12 (its bug 105651).
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers;-Wno-restrict>"
  $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-field-initializers>
  # In a batch, a name of one source is seen by the next, and no source is the main file.
  $<$<NOT:$<EQUAL:${WEIR_BATCH},1>>:-Wno-shadow>
  "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<EQUAL:${WEIR_BATCH},1>>>:-Wno-subobject-linkage>"
  $<$<BOOL:${WEIR_WERROR}>:-Werror>)

# What programs allocate with: many small things live for as long as a request, on several threads.
# libtcmalloc_minimal does that with a fifth less time than the C library. Not under sanitizers,
# which bring an allocator of their own.
find_library(WEIR_TCMALLOC NAMES libtcmalloc_minimal.so.4 tcmalloc_minimal)
option(WEIR_USE_TCMALLOC "Link the programs with libtcmalloc_minimal, where it is found" ON)
function(weir_program_malloc target)
  if(WEIR_USE_TCMALLOC AND WEIR_TCMALLOC AND NOT WEIR_SANITIZE)
    target_link_libraries(${target} PRIVATE ${WEIR_TCMALLOC})
  endif()
endfunction()
