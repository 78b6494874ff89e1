# Toolchain file: Debian's cross compiler against the unpacked arm64 packages of
# cmake/sysroot.sh, tests run by qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(VIREO_SYSROOT "" CACHE PATH "Folder that cmake/sysroot.sh has filled")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES VIREO_SYSROOT)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_SYSROOT ${VIREO_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
# -L: where the program's own loader and libc are looked for.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static -L ${VIREO_SYSROOT})

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Its packages and no others.
set(ENV{PKG_CONFIG_LIBDIR} ${VIREO_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${VIREO_SYSROOT})
