/* late.c - a C program that loads its first C++ after it has made greenlets */
#include <vireo/greenlet.h>

#include <dlfcn.h>
#include <stdio.h>

static int body(void *value, void **result)
{
    *result = value;
    return 0;
}

int main(int argc, char **argv)
{
    struct greenlet *g = greenlet_new(body, NULL, 0);
    void *plugin;
    int (*check)(void);

    greenlet_switch(g, NULL, NULL);
    greenlet_unref(g);
    if (dlsym(RTLD_DEFAULT, "__cxa_get_globals") != NULL) {
        puts("C++ is here already");
        return 2;
    }
    plugin = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        puts(dlerror());
        return 2;
    }
    *(void **)&check = dlsym(plugin, "check");
    return check();
}
