# weir_embed(TARGET SYMBOL file): compiles a file's bytes into a target, which can then declare
# `extern const std::string_view SYMBOL;` in the global namespace.
set(WEIR_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/WeirEmbedScript.cmake)

function(weir_embed target symbol file)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cpp)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -D SYMBOL=${symbol} -D FILE=${file} -D OUT=${out} -P ${WEIR_EMBED_SCRIPT}
    DEPENDS ${file} ${WEIR_EMBED_SCRIPT} VERBATIM)
  set_source_files_properties(${out} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE ${out})
endfunction()
