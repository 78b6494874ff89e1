# What a program needs to link to Vireo: pkg-config files and a CMake package.
#
# The CMake package finds everything beside itself, so an installation may be
# moved; the pkg-config files name their prefix, as pkg-config wants it for
# PKG_CONFIG_SYSROOT_DIR.
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Vireo)
configure_package_config_file(cmake/VireoConfig.cmake.in
    ${PROJECT_BINARY_DIR}/cmake/VireoConfig.cmake
    INSTALL_DESTINATION ${package})
# Before 1.0 a minor version may change anything (docs/linking.md).
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/cmake/VireoConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(EXPORT Vireo NAMESPACE Vireo:: FILE VireoTargets.cmake
    DESTINATION ${package})
install(FILES
    ${PROJECT_BINARY_DIR}/cmake/VireoConfig.cmake
    ${PROJECT_BINARY_DIR}/cmake/VireoConfigVersion.cmake
    DESTINATION ${package})

# The prefix is known when it is installed, by `cmake --install --prefix`.
list(TRANSFORM VIREO_PRIVATE_LIBRARIES PREPEND -l OUTPUT_VARIABLE VIREO_PC_PRIVATE)
list(JOIN VIREO_PC_PRIVATE " " VIREO_PC_PRIVATE)
set(VIREO_PC_PREFIX @CMAKE_INSTALL_PREFIX@)
foreach(file vireo.pc vireo-tls.pc vireo-http.pc vireo-http-client.pc
        vireo-preload.pc)
    configure_file(cmake/${file}.in ${PROJECT_BINARY_DIR}/pkgconfig/${file}.in @ONLY)
    install(CODE "configure_file(${PROJECT_BINARY_DIR}/pkgconfig/${file}.in
        ${PROJECT_BINARY_DIR}/pkgconfig/${file} @ONLY)")
    install(FILES ${PROJECT_BINARY_DIR}/pkgconfig/${file}
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
