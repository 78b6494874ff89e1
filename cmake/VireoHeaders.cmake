# The public headers, and include/vireo/ of the build as an installation has it.
#
# A header of context/, hub/ or monkeypatch/ is public when its include guard
# begins with VIREO_.  There is no other list: the build, the installation, the
# packages and the tests take this one.  In the tree a header is named with its
# layer; installed, all lie together, so that no two may have one name.
set(VIREO_PUBLIC_HEADERS)
file(GLOB all CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
    context/*.h hub/*.h monkeypatch/*.h http/*.h)
foreach(header IN LISTS all)
    file(STRINGS ${header} guard LIMIT_COUNT 1 REGEX "^#ifndef VIREO_[A-Z0-9_]+_H$")
    if(guard)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
        list(APPEND VIREO_PUBLIC_HEADERS ${header})
    endif()
endforeach()

set(folder ${PROJECT_BINARY_DIR}/include/vireo)
set(VIREO_INSTALLED_HEADERS)
foreach(header IN LISTS VIREO_PUBLIC_HEADERS)
    file(READ ${header} text)
    string(REGEX REPLACE "#include \"(context|hub|monkeypatch|http)/" "#include \""
        text "${text}")
    cmake_path(GET header FILENAME file)
    if(${folder}/${file} IN_LIST VIREO_INSTALLED_HEADERS)
        message(FATAL_ERROR "Two public headers are called ${file}")
    endif()
    file(CONFIGURE OUTPUT ${folder}/${file} CONTENT "${text}" @ONLY)
    list(APPEND VIREO_INSTALLED_HEADERS ${folder}/${file})
endforeach()

# What is public no more.
file(GLOB stale ${folder}/*.h)
list(REMOVE_ITEM stale ${VIREO_INSTALLED_HEADERS})
if(stale)
    file(REMOVE ${stale})
endif()
install(FILES ${VIREO_INSTALLED_HEADERS}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vireo)
