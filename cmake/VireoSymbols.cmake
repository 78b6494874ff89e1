# What is generated from monkeypatch/symbols.def by cmake/symbols.awk.

# vireo_symbols(mode output): build/generated/<output>, by the awk's `mode`.
# The preprocessor first: rows may depend on the architecture.
function(vireo_symbols mode output)
    set(table ${PROJECT_SOURCE_DIR}/monkeypatch/symbols.def)
    set(script ${PROJECT_SOURCE_DIR}/cmake/symbols.awk)
    set(result ${PROJECT_BINARY_DIR}/generated/${output})
    add_custom_command(OUTPUT ${result}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/generated
        COMMAND ${CMAKE_C_COMPILER} -E -P -std=c11 -x c ${table} -o ${result}.rows
        COMMAND awk -v mode=${mode} -f ${script} ${result}.rows > ${result}.new
        COMMAND ${CMAKE_COMMAND} -E rename ${result}.new ${result}
        DEPENDS ${table} ${script}
        COMMENT "Generating ${output} from symbols.def"
        VERBATIM)
endfunction()

# `symbols_docs` writes docs/symbols.md again; a test compares them.
add_custom_target(symbols_docs
    COMMAND python3 -B ${PROJECT_SOURCE_DIR}/cmake/symbols_docs.py
        ${PROJECT_SOURCE_DIR}/monkeypatch/symbols.def
        > ${PROJECT_SOURCE_DIR}/docs/symbols.md
    VERBATIM)
