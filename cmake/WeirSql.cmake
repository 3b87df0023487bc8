# weir_sql(TARGET NAMESPACE ns): embeds schema/*.sql of this folder, one SQL object a file, into TARGET.
#
# Files are named VERSION_ORDER_name.sql ("001_02_event.sql"): the migrations, in order. The
# generated header declares, in NAMESPACE: struct Migration { int version; const char* name;
# const char* sql; }; and std::span<const Migration> migrations().
function(weir_sql target)
  cmake_parse_arguments(arg "" "NAMESPACE" "" ${ARGN})
  file(GLOB files CONFIGURE_DEPENDS schema/*.sql)
  list(SORT files)
  set(entries "")
  foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(REGEX MATCH "^0*([0-9]+)_" version ${name})
    set(version ${CMAKE_MATCH_1})
    file(READ ${file} text)
    string(APPEND entries "    {${version}, \"${name}\", R\"sql(${text})sql\"},\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endforeach()
  set(source "// Made from schema/*.sql.\n#include \"migrations.hpp\"\n\nnamespace ${arg_NAMESPACE} {\n\nstd::span<const Migration> migrations() {\n  static constexpr Migration all[] = {\n${entries}  };\n  return all;\n}\n\n}  // namespace ${arg_NAMESPACE}\n")
  set(header "#pragma once\n\n#include <span>\n\nnamespace ${arg_NAMESPACE} {\n\nstruct Migration {\n  int version;\n  const char* name;\n  const char* sql;\n};\n\n/// In the order in which they are to be applied.\nstd::span<const Migration> migrations();\n\n}  // namespace ${arg_NAMESPACE}\n")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/migrations.hpp CONTENT "${header}" @ONLY)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/migrations.cpp CONTENT "${source}" @ONLY)
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/migrations.cpp)
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
