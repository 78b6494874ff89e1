# libev, the three C symbols of boost.context, Check.

# Debian's libev has no .pc file.  It is linked dynamically: its archive is not
# position-independent.
find_path(EV_INCLUDE_DIR ev.h REQUIRED)
find_library(EV_LIBRARY ev REQUIRED)
add_library(EV::ev UNKNOWN IMPORTED)
set_target_properties(EV::ev PROPERTIES
    IMPORTED_LOCATION ${EV_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${EV_INCLUDE_DIR})

# c-ares is opened when a program chooses it: only its header is needed here.
find_path(CARES_INCLUDE_DIR ares.h REQUIRED)

# jump_fcontext.  The archive: newer releases
# hide these names in the shared library.
find_library(BOOST_CONTEXT_ARCHIVE libboost_context.a REQUIRED)
add_library(Boost::fcontext STATIC IMPORTED)
set_target_properties(Boost::fcontext PROPERTIES
    IMPORTED_LOCATION ${BOOST_CONTEXT_ARCHIVE})

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Debian's own: it makes the manual pages, and the program tests run its packages.
find_program(VIREO_PYTHON NAMES python3 PATHS /usr/bin
    NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)

# In the archives, so that the programs that are installed need libc alone.
if(VIREO_TESTS OR VIREO_CONFORMANCE)
    find_path(CHECK_INCLUDE_DIR check.h)
    find_library(CHECK_LIBRARY NAMES check_pic check)
    find_library(SUBUNIT_LIBRARY NAMES libsubunit.a subunit)
    if(NOT CHECK_INCLUDE_DIR OR NOT CHECK_LIBRARY OR NOT SUBUNIT_LIBRARY)
        message(FATAL_ERROR "Check (https://libcheck.github.io/check/) is missing, "
            "for the tests and for `vireo conformance --preload`; "
            "-DVIREO_TESTS=OFF -DVIREO_CONFORMANCE=OFF goes without")
    endif()
    add_library(Check::check UNKNOWN IMPORTED)
    set_target_properties(Check::check PROPERTIES
        IMPORTED_LOCATION ${CHECK_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${CHECK_INCLUDE_DIR}
        INTERFACE_LINK_LIBRARIES "${SUBUNIT_LIBRARY};m;rt;Threads::Threads")
endif()

# What libvireo.so is linked to besides libc, as -l takes it: who links libvireo.a
# links these too (meta/check_exports compares).  libev's archive wants libm.
set(VIREO_PRIVATE_LIBRARIES ev m)
# For libvireo-tls.so alone.
find_package(OpenSSL 3.0 REQUIRED COMPONENTS SSL)

# For libvireo-http.so alone: the parser behind http/parser.c, WebSocket frames, and
# permessage-deflate.  The first two have no .pc file, or none that says more.
find_path(HTTP_PARSER_INCLUDE_DIR http_parser.h REQUIRED)
find_library(HTTP_PARSER_LIBRARY http_parser REQUIRED)
add_library(HttpParser::http_parser UNKNOWN IMPORTED)
set_target_properties(HttpParser::http_parser PROPERTIES
    IMPORTED_LOCATION ${HTTP_PARSER_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${HTTP_PARSER_INCLUDE_DIR})
find_path(WSLAY_INCLUDE_DIR wslay/wslay.h REQUIRED)
find_library(WSLAY_LIBRARY wslay REQUIRED)
add_library(Wslay::wslay UNKNOWN IMPORTED)
set_target_properties(Wslay::wslay PROPERTIES
    IMPORTED_LOCATION ${WSLAY_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${WSLAY_INCLUDE_DIR})
find_package(ZLIB REQUIRED)
# JSON, of applications; 2.11: json_pack() with "o*".
find_path(JANSSON_INCLUDE_DIR jansson.h REQUIRED)
find_library(JANSSON_LIBRARY jansson REQUIRED)
add_library(Jansson::jansson UNKNOWN IMPORTED)
set_target_properties(Jansson::jansson PROPERTIES
    IMPORTED_LOCATION ${JANSSON_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${JANSSON_INCLUDE_DIR})

# For libvireo-http-client.so alone.  7.85: CURLOPT_PROTOCOLS_STR.
find_package(CURL 7.85 REQUIRED)
