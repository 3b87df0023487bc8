# weir_proto(TARGET [GRPC] [PRIVATE] FILES file ... [DEPENDS target ...] [ROOT folder])
#
# Generates C++ from .proto files (paths relative to proto/, or ROOT) into the build folder.
# Generated code is compiled without our warnings, and installed so that users can include it,
# unless it is PRIVATE. Nor is it instrumented for sanitizers, as the libraries that it calls aren't,
# or optimized there: both take long. GRPC is for the files that define services.
# google/api and google/rpc come from the Debian package named in tools/packages.
set(WEIR_GOOGLEAPIS_DIR
  /usr/share/gocode/src/github.com/grpc-ecosystem/grpc-gateway/third_party/googleapis
  CACHE PATH "Folder that holds google/api/http.proto")
find_program(WEIR_PROTOC protoc REQUIRED)
find_program(WEIR_GRPC_PLUGIN grpc_cpp_plugin REQUIRED)

function(weir_proto target)
  cmake_parse_arguments(arg "GRPC;PRIVATE" "ROOT" "FILES;DEPENDS" ${ARGN})
  set(root ${PROJECT_SOURCE_DIR}/proto)
  if(arg_ROOT)
    set(root ${arg_ROOT})
  endif()
  set(out ${PROJECT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  set(headers)
  foreach(file ${arg_FILES})
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    set(made ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(command --cpp_out=${out})
    list(APPEND headers ${out}/${stem}.pb.h)
    file(STRINGS ${root}/${file} services REGEX "^service ")
    if(arg_GRPC AND services)
      list(APPEND made ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND command --grpc_out=${out} --plugin=protoc-gen-grpc=${WEIR_GRPC_PLUGIN})
      list(APPEND headers ${out}/${stem}.grpc.pb.h)
    endif()
    add_custom_command(OUTPUT ${made}
      COMMAND ${WEIR_PROTOC} -I ${PROJECT_SOURCE_DIR}/proto -I ${WEIR_GOOGLEAPIS_DIR} -I ${root}
              ${command} ${root}/${file}
      DEPENDS ${root}/${file} VERBATIM)
    foreach(f ${made})
      if(f MATCHES "\\.cc$")
        list(APPEND sources ${f})
      endif()
    endforeach()
  endforeach()
  add_library(${target} STATIC ${sources})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${out} FILES ${headers})
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf ${arg_DEPENDS})
  if(WEIR_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-sanitize=all -O0 -g0)
  endif()
  if(arg_GRPC)
    target_link_libraries(${target} PUBLIC PkgConfig::WEIR_GRPC)
  endif()
  if(NOT arg_PRIVATE)
    install(TARGETS ${target} EXPORT WeirTargets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  endif()
endfunction()

# weir_proto_comments(TARGET SYMBOL FILES file ...): adds `extern const std::string_view SYMBOL` to a
# target, defined in the global namespace: a serialized FileDescriptorSet of the files (relative to
# proto/) and all that they import, with their comments, which generated code does not have.
function(weir_proto_comments target symbol)
  cmake_parse_arguments(arg "" "ROOT" "FILES" ${ARGN})
  set(root ${PROJECT_SOURCE_DIR}/proto)
  if(arg_ROOT)
    set(root ${arg_ROOT})
  endif()
  set(set_file ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.protoset)
  list(TRANSFORM arg_FILES PREPEND ${root}/ OUTPUT_VARIABLE paths)
  add_custom_command(OUTPUT ${set_file}
    COMMAND ${WEIR_PROTOC} -I ${PROJECT_SOURCE_DIR}/proto -I ${WEIR_GOOGLEAPIS_DIR} -I ${root}
            --include_imports --include_source_info --descriptor_set_out=${set_file} ${paths}
    DEPENDS ${paths} VERBATIM)
  weir_embed(${target} ${symbol} ${set_file})
endfunction()
