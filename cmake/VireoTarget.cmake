# What every target of ours has in common.

set(VIREO_ARCH ${CMAKE_SYSTEM_PROCESSOR})
if(NOT VIREO_ARCH MATCHES "^(x86_64|aarch64)$")
    message(FATAL_ERROR "Vireo runs on x86_64 and aarch64, not on ${VIREO_ARCH}")
endif()

# Of all shared libraries: changes when a program must be linked anew.
set(VIREO_SOVERSION 0)

# vireo_layer(name [lower...]): build/layers/<name> has links to the folders
# that <name> may include from, itself and those below it.  It is the only
# include path the layer gets, so that "hub/hub.h" does not compile in context.
function(vireo_layer name)
    set(root ${PROJECT_BINARY_DIR}/layers/${name})
    file(MAKE_DIRECTORY ${root})
    foreach(layer IN LISTS ARGN ITEMS ${name})
        file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${layer} ${root}/${layer} SYMBOLIC)
    endforeach()
endfunction()

# Landing pads and signed return addresses, in all that we compile.  What we link
# is not marked for them (tests/meta/check_hardening.py): Boost's assembly is not.
set(VIREO_HARDENING_x86_64 -fcf-protection=full)
set(VIREO_HARDENING_aarch64 -mbranch-protection=standard)

# vireo_c(target): language, warnings, hardening, sanitizers.
function(vireo_c target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS ON
        CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS ON)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wshadow>
        $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
        $<$<AND:$<BOOL:${VIREO_WERROR}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C,CXX>:${VIREO_HARDENING_${VIREO_ARCH}}>)
    # 1, as in `#define _GNU_SOURCE 1`: a source may say it too.
    target_compile_definitions(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C>:_GNU_SOURCE=1>
        VIREO_VERSION="${PROJECT_VERSION}"
        VIREO_SOVERSION="${VIREO_SOVERSION}"
        FRAME_REGISTERS=${VIREO_FRAME_REGISTERS} FRAME_PC=${VIREO_FRAME_PC}
        $<$<BOOL:${VIREO_TESTS}>:VIREO_TEST_HOOKS=1>)
    if(VIREO_SANITIZE)
        target_compile_options(${target} PRIVATE
            $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${VIREO_SANITIZE}>
            $<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=all>
            $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>)
        target_link_options(${target} PRIVATE -fsanitize=${VIREO_SANITIZE})
    endif()
endfunction()

# GCC clears and copies what is larger than a few registers by "rep stos" and "rep
# movs", which take longer to begin than it takes to move some hundred bytes.
set(VIREO_CLEARS -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign
                 -mmemcpy-strategy=vector_loop:512:noalign,libcall:-1:noalign)
set(VIREO_IS_GCC_X86_64 $<AND:$<COMPILE_LANG_AND_ID:C,GNU>,$<STREQUAL:${VIREO_ARCH},x86_64>>)

# vireo_library(target layer): what goes into our shared objects.
function(vireo_library target layer)
    vireo_c(${target})
    set_target_properties(${target} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden)
    # The thread pointer moves at a switch: only a fixed offset from it is
    # right on both sides of one.  No PLT: calls bind at start-up, never in
    # the middle of a switch.
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C>:-ftls-model=initial-exec -fno-plt>
        $<$<COMPILE_LANGUAGE:C>:-fno-semantic-interposition>
        $<${VIREO_IS_GCC_X86_64}:${VIREO_CLEARS}>)
    target_include_directories(${target} PRIVATE
        ${PROJECT_BINARY_DIR}/layers/${layer})
endfunction()

# vireo_link(target map): a shared object that shows what `map` lists alone.
function(vireo_link target map)
    target_link_options(${target} PRIVATE
        -Wl,-z,now -Wl,-z,relro -Wl,--exclude-libs,ALL
        -Wl,--version-script=${map})
    if(NOT VIREO_SANITIZE)
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${map})
endfunction()
