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

/* The first that is missing, or NULL. */
static const char *find_all(void *library)
{
    const char *missing = NULL;

#define HUB__ARES_FUNCTION(name)                                  \
    *(void **)&functions.name = dlsym(library, "ares_" #name);    \
    if (missing == NULL && functions.name == NULL)                \
        missing = "ares_" #name;
    HUB__ARES_FUNCTIONS(HUB__ARES_FUNCTION)
#undef HUB__ARES_FUNCTION
    return missing;
}

static void say(const char *what, const char *why)
{
    char line[512];

    snprintf(line, sizeof line,
             "vireo: resolver ares is not there (%s%s): the thread resolver is "
             "used\n",
             what, why);
    hub__say(NULL, line);
}

static void open_library(void)
{
    const char *name = secure_getenv("VIREO_ARES_LIBRARY"), *missing;
    void *library;
    int status;

    if (name == NULL || *name == '\0')
        name = "libcares.so.2";
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        say("", dlerror());
        return;
    }
    missing = find_all(library);
    if (missing != NULL) {
        say("it lacks ", missing);
        return;
    }
    status = functions.library_init(ARES_LIB_INIT_ALL);
    found = status == ARES_SUCCESS;
    if (!found)
        say("it cannot be initialised: ", functions.strerror(status));
}

const struct hub__ares_functions *hub__ares_library(void)
{
    pthread_once(&once, open_library);
    return found ? &functions : NULL;
}
