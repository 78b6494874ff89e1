/* A c-ares that cannot be initialised, for test_ares_library.c. */
#include <stdlib.h>

const char *ares_strerror(int code);
const char *ares_strerror(int code)
{
    return code == 15 ? "nothing left" : "?";
}

int ares_library_init(int flags);
int ares_library_init(int flags)
{
    (void)flags;
    return 15; /* ARES_ENOMEM */
}

/* What else is looked for is there, and never called. */
#define NEVER_CALLED(name) \
    void name(void);       \
    void name(void)        \
    {                      \
        abort();           \
    }
NEVER_CALLED(ares_init_options)
NEVER_CALLED(ares_destroy)
NEVER_CALLED(ares_cancel)
NEVER_CALLED(ares_set_servers_ports_csv)
NEVER_CALLED(ares_set_socket_callback)
NEVER_CALLED(ares_timeout)
NEVER_CALLED(ares_process_fd)
NEVER_CALLED(ares_getaddrinfo)
NEVER_CALLED(ares_freeaddrinfo)
NEVER_CALLED(ares_getnameinfo)
NEVER_CALLED(ares_gethostbyname)
NEVER_CALLED(ares_gethostbyaddr)
