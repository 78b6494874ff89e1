/* version.c - what this library says it is (G-176, G-177, G-182) */
#include "context/gate.h"
#include "context/testhook.h"

#include <errno.h>
#include <string.h>

const char *greenlet_compatible_version(void)
{
    return GREENLET_COMPATIBLE_VERSION;
}

const char *greenlet_build_version(void)
{
    return VIREO_VERSION;
}

int greenlet_feature(const char *name)
{
    static const struct {
        const char *name;
        int value;
    } features[] = {
        {"GREENLET_USE_GC", GREENLET_USE_GC},
        {"GREENLET_USE_TRACING", GREENLET_USE_TRACING},
        {"GREENLET_USE_CONTEXT_VARS", GREENLET_USE_CONTEXT_VARS},
    };

    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (name != NULL && strcmp(name, features[i].name) == 0)
            return GREENLET__BROKEN(176) ? 0 : features[i].value;
    return -ENOENT;
}
