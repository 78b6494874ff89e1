# What the jump_fcontext() that is linked leaves on a stack: half jumps and
# backtraces of ours (context/arch) work on the same frames, and Boost changes
# them without a sign in its headers.  Read from its code, which is possible for
# another processor too.  FRAME_REGISTERS: where the first of the saved integer
# registers lies; FRAME_PC: the return address.

set(space "[ \t]+")
set(VIREO_FRAME_REGISTERS_x86_64 "mov[a-z]*${space}%r12, ?([0-9a-fx]+)\\(%rsp\\)")
set(VIREO_FRAME_PC_x86_64 "mov[a-z]*${space}([0-9a-fx]+)\\(%rsp\\), ?%r")
set(VIREO_FRAME_REGISTERS_aarch64 "stp${space}x19, x20, .sp, #([0-9a-fx]+).")
set(VIREO_FRAME_PC_aarch64 "str${space}x30, .sp, #([0-9a-fx]+).")

if(NOT CMAKE_OBJDUMP)
    message(FATAL_ERROR "objdump is needed, to look at ${BOOST_CONTEXT_ARCHIVE}")
endif()
execute_process(COMMAND ${CMAKE_OBJDUMP} -d ${BOOST_CONTEXT_ARCHIVE}
    OUTPUT_VARIABLE code COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "<jump_fcontext>:.*" code "${code}")
foreach(place FRAME_REGISTERS FRAME_PC)
    if(NOT code MATCHES "${VIREO_${place}_${VIREO_ARCH}}")
        message(FATAL_ERROR "No ${place} in the jump_fcontext() of "
            "${BOOST_CONTEXT_ARCHIVE}: a layout that context/arch does not know")
    endif()
    set(VIREO_${place} ${CMAKE_MATCH_1})
endforeach()
message(STATUS "jump_fcontext: registers at ${VIREO_FRAME_REGISTERS}, "
    "return address at ${VIREO_FRAME_PC}")
