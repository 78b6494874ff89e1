/* ares.h - the functions of c-ares, found when they are asked for */
#ifndef HUB_ARES_H
#define HUB_ARES_H

/* Of those that c-ares 1.28 deprecates older ones have no other form. */
#define CARES_NO_DEPRECATED
#include <ares.h>

/* The table: what each function is called, after "ares_". */
#define HUB__ARES_FUNCTIONS(X)                                               \
    X(library_init) X(strerror) X(init_options) X(destroy) X(cancel)         \
    X(set_servers_ports_csv) X(set_socket_callback) X(timeout)               \
    X(process_fd) X(getaddrinfo) X(freeaddrinfo) X(getnameinfo) X(gethostbyname) X(gethostbyaddr)

struct hub__ares_functions {
#define HUB__ARES_FUNCTION(name) __typeof__(ares_##name) *name;
    HUB__ARES_FUNCTIONS(HUB__ARES_FUNCTION)
#undef HUB__ARES_FUNCTION
};
/* ares_library.c.  NULL: it cannot be opened, and has said why not, once. */
const struct hub__ares_functions *hub__ares_library(void);

/* ares_answer.c: into a lookup.  What `status` means for hub_getaddrinfo(). */
struct hub__lookup;
int hub__ares_error(int status);
void hub__ares_take_addresses(struct hub__lookup *lookup,
                              const struct ares_addrinfo *found);

#endif
