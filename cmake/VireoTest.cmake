# How tests are built and registered with CTest.

# The runs that pretend an older kernel (or qemu): every fall-back must pass.
set(VIREO_MASK guard,rwf_nowait,epoll_pwait2,fsgsbase,pidfd,robust,rseq)

# For what hangs: a machine with ten times as much to do passes too.
if(CMAKE_CROSSCOMPILING)
    set(VIREO_TIMEOUT 480)  # qemu
elseif(VIREO_SANITIZE)
    set(VIREO_TIMEOUT 300)
else()
    set(VIREO_TIMEOUT 180)
endif()

# vireo_add_test(name COMMAND ... LABELS ... [ENVIRONMENT ...] [TIMEOUT n]
#   [SERIAL]): a CTest test.  CK_FORK=no: each program is a process of its own.
# A test that cannot run here ends with status 77 and says why.
function(vireo_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT"
        "COMMAND;LABELS;ENVIRONMENT")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT ${VIREO_TIMEOUT})
    endif()
    if(CMAKE_CROSSCOMPILING)
        # For programs that execute others where the kernel has a handler for them.
        list(APPEND arg_ENVIRONMENT QEMU_LD_PREFIX=${VIREO_SYSROOT})
    endif()
    set(name ${VIREO_TEST_PREFIX}${name})
    add_test(NAME ${name} COMMAND ${arg_COMMAND})
    set_tests_properties(${name} PROPERTIES
        LABELS "${arg_LABELS}"
        TIMEOUT ${arg_TIMEOUT}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "CK_FORK=no;${arg_ENVIRONMENT}")
    if(arg_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# Sources beside the tests that are no tests: linked to each of them.
function(vireo_test_support folder result)
    set(sources)
    file(GLOB all CONFIGURE_DEPENDS *.c)
    foreach(source IN LISTS all)
        cmake_path(GET source FILENAME file)
        if(NOT file MATCHES "^test_")
            list(APPEND sources ${source})
        endif()
    endforeach()
    set(${result} "" PARENT_SCOPE)
    if(sources)
        add_library(${folder}_support STATIC ${sources})
        vireo_c(${folder}_support)
        target_link_libraries(${folder}_support PUBLIC Check::check)
        set_target_properties(${folder}_support PROPERTIES
            ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
        target_include_directories(${folder}_support PRIVATE
            ${PROJECT_BINARY_DIR}/layers/monkeypatch)
        set(${result} ${folder}_support PARENT_SCOPE)
    endif()
endfunction()

# vireo_test_place(target): in tests/<folder> of the build.
function(vireo_test_place target)
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    if(VIREO_SANITIZE)
        # Before LLVM 17 a randomly placed program could land in the sanitizer's
        # own address range (32 bits of mmap randomness).
        target_compile_options(${target} PRIVATE -fno-pie)
        target_link_options(${target} PRIVATE -no-pie)
    endif()
endfunction()

# A test program with Check.
function(vireo_test_program target source)
    add_executable(${target} ${source})
    vireo_c(${target})
    target_link_libraries(${target} PRIVATE ${ARGN} Check::check ${CMAKE_DL_LIBS})
    vireo_test_place(${target})
endfunction()

# vireo_unit_tests(layer): tests/<layer>/test_X.c and test_X.cpp become <layer>/X.
function(vireo_unit_tests layer)
    vireo_layer(tests_${layer} context hub)
    vireo_test_support(${layer} support)
    file(GLOB sources CONFIGURE_DEPENDS test_*.c test_*.cpp)
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM stem)
        string(REGEX REPLACE "^test_" "" name ${stem})
        set(target ${layer}_${name})
        vireo_test_program(${target} ${source} ${support}
            Boost::fcontext EV::ev Threads::Threads)
        target_sources(${target} PRIVATE
            $<TARGET_OBJECTS:hub> $<TARGET_OBJECTS:context>)
        target_include_directories(${target} PRIVATE
            ${PROJECT_BINARY_DIR}/layers/hub
            ${PROJECT_SOURCE_DIR}/context/arch/${VIREO_ARCH})
        vireo_add_test(${layer}/${name} COMMAND ${target}
            LABELS ci unit ${layer})
        if(VIREO_MASKED)
            vireo_add_test(masked/${layer}/${name} COMMAND ${target}
                LABELS ci masked ENVIRONMENT VIREO_TEST_MASK=${VIREO_MASK})
        endif()
    endforeach()
endfunction()

set(VIREO_HUBS_CI "^(accept|many_cores|mutex|cond|rwlock|sem|barrier|once|keys|tls|fork\
|atfork|close|connect_again|ids_ending|join|native_threads|native_wakes|peer_resets|preempt_.*|pthread_cancel|pthread_detach\
|pthread_exit|pthread_join|signal_threads|sigmask|sigwait|spawn|stdio|thread_stress|timers)$")

# vireo_conformance_tests(folder [result]): test_X.c and test_X.cpp become
# <folder>/X-native and <folder>/X-patched.  VIREO_REQUIRE=1: a preloaded run that
# falls back to native threads fails.  Without VIREO_TESTS only the programs are
# made; `result` lists their targets.
function(vireo_conformance_tests folder)
    set(preload LD_PRELOAD=$<TARGET_FILE:monkeypatch> VIREO_REQUIRE=1)
    set(programs)
    vireo_test_support(${folder} support)
    file(GLOB sources CONFIGURE_DEPENDS test_*.c test_*.cpp)
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM stem)
        string(REGEX REPLACE "^test_" "" name ${stem})
        set(target ${folder}_${name})
        vireo_test_program(${target} ${source} ${support})
        list(APPEND programs ${target})
        if(NOT VIREO_TESTS)
            continue()
        endif()
        add_dependencies(${target} monkeypatch vireo)
        vireo_run_test(${folder}/${name}-native ${target} "ci;conformance")
        if(name MATCHES "^preempt" AND CMAKE_CROSSCOMPILING)
            # qemu-user keeps the signal for itself.
            vireo_add_test(${folder}/${name}-patched LABELS ci conformance
                COMMAND ${CMAKE_COMMAND} -E echo
                    "skipped: needs preemption, see docs/limitations.md")
            set_tests_properties(${VIREO_TEST_PREFIX}${folder}/${name}-patched
                PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: ")
            continue()
        endif()
        vireo_run_test(${folder}/${name}-patched ${target} "ci;conformance"
            ${preload})
        if(name MATCHES "^(files|open|read|write|io_mix|storage|transfers)$")
            foreach(files direct pool)
                vireo_run_test(${folder}/${name}-${files} ${target}
                    "ci;conformance" ${preload} VIREO_FILES=${files})
            endforeach()
        endif()
        # Several OS threads: where it matters two always, all of them in a long run.
        # ids_process: the kernel lets only the process's first thread say whatever it
        # likes of a signal.
        if(NOT name STREQUAL "ids_process")
            foreach(hubs 2 4)
                set(labels "long;conformance;hubs")
                if(hubs EQUAL 2 AND name MATCHES "${VIREO_HUBS_CI}")
                    set(labels "ci;conformance;hubs")
                endif()
                vireo_run_test(${folder}/${name}-hubs${hubs} ${target} "${labels}"
                    ${preload} VIREO_HUBS=${hubs})
            endforeach()
        endif()
        # sched_getcpu: a libc without the area of rseq does not read it, but ours does.
        if(VIREO_MASKED AND NOT name STREQUAL "sched_getcpu")
            vireo_run_test(masked/${folder}/${name}-patched ${target}
                "ci;masked" ${preload} VIREO_TEST_MASK=${VIREO_MASK})
        endif()
    endforeach()
    if(ARGC GREATER 1)
        set(${ARGV1} ${programs} PARENT_SCOPE)
    endif()
endfunction()

# vireo_run_test(name target labels [environment...]): see tests/run_alone.py.
# The environment is the program's alone; under qemu too, where a preload applies
# to the program and not to qemu.
function(vireo_run_test name target labels)
    set(command env ${ARGN} $<TARGET_FILE:${target}>)
    if(CMAKE_CROSSCOMPILING)
        set(command ${CMAKE_CROSSCOMPILING_EMULATOR})
        if(name MATCHES "-native$")
            list(PREPEND command --again)
        endif()
        foreach(variable IN LISTS ARGN)
            list(APPEND command -E ${variable})
        endforeach()
        list(APPEND command $<TARGET_FILE:${target}>)
    endif()
    vireo_add_test(${name} LABELS ${labels}
        COMMAND ${VIREO_PYTHON} -I ${PROJECT_SOURCE_DIR}/tests/run_alone.py
            ${command})
endfunction()

# vireo_script_tests(folder): test_X.py and test_X.sh become <folder>/X.  Lines
# `# label: L`, `# timeout: S` and `# serial` near the top say how each is run.
function(vireo_script_tests folder)
    file(GLOB scripts CONFIGURE_DEPENDS test_*.sh test_*.py)
    foreach(script IN LISTS scripts)
        cmake_path(GET script STEM stem)
        cmake_path(GET script EXTENSION extension)
        string(REGEX REPLACE "^test_" "" name ${stem})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${script})
        file(STRINGS ${script} head LIMIT_COUNT 12 REGEX "^# (label|timeout|serial)")
        set(label ci)
        set(timeout 300)
        set(serial)
        foreach(line IN LISTS head)
            if(line MATCHES "^# label: *([a-z, ]+)")
                string(REGEX REPLACE "[, ]+" ";" label ${CMAKE_MATCH_1})
            elseif(line MATCHES "^# timeout: *([0-9]+)")
                set(timeout ${CMAKE_MATCH_1})
            elseif(line MATCHES "^# serial")
                set(serial SERIAL)
            endif()
        endforeach()
        set(interpreter sh)
        if(extension STREQUAL .py)
            set(interpreter ${VIREO_PYTHON})
        endif()
        vireo_add_test(${folder}/${name} COMMAND ${interpreter} ${script}
            LABELS ${label} programs TIMEOUT ${timeout} ${serial}
            ENVIRONMENT BUILD_DIR=${PROJECT_BINARY_DIR}
                SOURCE_DIR=${PROJECT_SOURCE_DIR}
                CROSS=$<BOOL:${CMAKE_CROSSCOMPILING}>)
    endforeach()
endfunction()
