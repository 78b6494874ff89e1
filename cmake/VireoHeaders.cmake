# include/vireo/ of the build: the public headers as an installation has them.
# In the tree a header is named with its layer; installed, all lie together.
foreach(header context/greenlet.h context/contextvar.h context/inspect.h
        context/gate.h hub/hub.h)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(READ ${PROJECT_SOURCE_DIR}/${header} text)
    string(REGEX REPLACE "#include \"(context|hub)/" "#include \"" text "${text}")
    cmake_path(GET header FILENAME file)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/include/vireo/${file}
        CONTENT "${text}" @ONLY)
endforeach()
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/vireo
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
