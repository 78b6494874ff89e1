# build/man/man3: a page for each public function, from docs/api.
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/api/*.md)
set(stamp ${PROJECT_BINARY_DIR}/man/stamp)
add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${PROJECT_BINARY_DIR}/man/man3
    COMMAND ${VIREO_PYTHON} -B ${PROJECT_SOURCE_DIR}/cmake/manpages.py
        ${PROJECT_SOURCE_DIR}/docs/api ${PROJECT_BINARY_DIR}/man/man3
        ${PROJECT_VERSION}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${pages} ${PROJECT_SOURCE_DIR}/cmake/manpages.py VERBATIM)
add_custom_target(manpages ALL DEPENDS ${stamp})
install(DIRECTORY ${PROJECT_BINARY_DIR}/man/man3
    DESTINATION ${CMAKE_INSTALL_MANDIR})

# Writes the links of docs/semantics.md to the cases again; a test compares them.
add_custom_target(semantics_links
    COMMAND ${VIREO_PYTHON} -B ${PROJECT_SOURCE_DIR}/cmake/semantics_links.py
        ${PROJECT_SOURCE_DIR} --write
    VERBATIM)
