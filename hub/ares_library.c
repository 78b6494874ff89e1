/* ares_library.c - libcares.so.2, opened when it is chosen
 *
 * Not linked: programs that do not want it need not have it. */
#include "hub/ares.h"
#include "hub/hub_impl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct hub__ares_functions functions;
static bool found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find_all(void *library)
{
    bool all = true;

#define HUB__ARES_FUNCTION(name)                                  \
    *(void **)&functions.name = dlsym(library, "ares_" #name);    \
    all = all && functions.name != NULL;
    HUB__ARES_FUNCTIONS(HUB__ARES_FUNCTION)
#undef HUB__ARES_FUNCTION
    return all;
}

static void open_library(void)
{
    const char *name = secure_getenv("VIREO_ARES_LIBRARY");
    void *library;
    char line[512];

    if (name == NULL || *name == '\0')
        name = "libcares.so.2";
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != NULL)
        found = find_all(library) &&
                functions.library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    if (found)
        return;
    snprintf(line, sizeof line,
             "vireo: resolver ares is not there (%s): the thread resolver is "
             "used\n",
             library == NULL ? dlerror() : "it lacks functions");
    hub__say(NULL, line);
}

const struct hub__ares_functions *hub__ares_library(void)
{
    pthread_once(&once, open_library);
    return found ? &functions : NULL;
}
