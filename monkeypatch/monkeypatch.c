/* monkeypatch.c - what a linked program may ask and say */
#include "monkeypatch/monkeypatch.h"
#include "monkeypatch/monkeypatch_impl.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned group;
} functions[] = {
#define MP_SYMBOL(group, kind, ret, name, params, args) \
    MP_UNLESS_PASS(kind)({#name, MP_##group},)
#include "monkeypatch/symbols.def"
};

unsigned mp__group_of_function(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0)
            return functions[i].group;
    return 0;
}

int monkeypatch_is_patched(const char *name)
{
    unsigned group;

    if (name == NULL)
        return -EINVAL;
    group = mp__group_of(name);
    if (group == 0)
        group = mp__group_of_function(name);
    return group != 0 && mp__hub != NULL &&
           (mp__options.groups & group) == group;
}

int monkeypatch_patch_all(void)
{
    int saved = errno, rc = mp__patch_all();

    errno = saved;
    return rc;
}
