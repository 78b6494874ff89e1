/* real.c - finds the functions of libc that ours hide
 *
 * They are what dlsym(RTLD_NEXT) finds: the first definition in the libraries
 * that were loaded after this one.  dlsym() looks through all of these for
 * every name, which took twice as long: their hash tables are read here, one
 * library after the other. */
#include "monkeypatch/real.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

struct mp__real mp__real;

/* Functions of which libc keeps an old version with another meaning. */
#if defined(__x86_64__)
#define COND_VERSION "GLIBC_2.3.2"
#elif defined(__aarch64__)
#define COND_VERSION "GLIBC_2.17"
#else
#error "which version of pthread_cond_wait() is the current one here?"
#endif

struct name {
    const char *name;
    void **where;
};

static const struct name names[] = {
#define MP_SYMBOL(group, kind, ret, name, params, args) \
    MP_UNLESS_PASS(kind)({#name, (void **)&mp__real.name},)
#include "monkeypatch/symbols.def"
};
#define NAMES (sizeof names / sizeof *names)

static const struct name conds[] = {
    {"pthread_cond_init", (void **)&mp__real.pthread_cond_init},
    {"pthread_cond_destroy", (void **)&mp__real.pthread_cond_destroy},
    {"pthread_cond_wait", (void **)&mp__real.pthread_cond_wait},
    {"pthread_cond_timedwait", (void **)&mp__real.pthread_cond_timedwait},
    {"pthread_cond_signal", (void **)&mp__real.pthread_cond_signal},
    {"pthread_cond_broadcast", (void **)&mp__real.pthread_cond_broadcast},
};

/* ---- one library's table (DT_GNU_HASH) ---- */

struct table {
    const char *base; /* what addresses of symbols are relative to */
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint16_t *versions;
    const ElfW(Addr) *bloom;
    const uint32_t *buckets, *chains;
    uint32_t bucket_count, first, bloom_size, bloom_shift;
};

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;

    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* False: it has no such table, as the kernel's own library. */
static bool read_table(const struct link_map *library, struct table *table)
{
    const uint32_t *hash = NULL;
    const ElfW(Dyn) *entry;

    *table = (struct table){.base = (const char *)library->l_addr};
    for (entry = library->l_ld; entry->d_tag != DT_NULL; entry++) {
        const void *address = (const void *)entry->d_un.d_ptr;

        if (entry->d_tag == DT_GNU_HASH)
            hash = address;
        else if (entry->d_tag == DT_SYMTAB)
            table->symbols = address;
        else if (entry->d_tag == DT_STRTAB)
            table->strings = address;
        else if (entry->d_tag == DT_VERSYM)
            table->versions = address;
    }
    if (hash == NULL || table->symbols == NULL || table->strings == NULL ||
        (uintptr_t)hash < library->l_addr) /* not relocated: the vdso */
        return false;
    table->bucket_count = hash[0];
    table->first = hash[1];
    table->bloom_size = hash[2];
    table->bloom_shift = hash[3];
    table->bloom = (const ElfW(Addr) *)(const void *)&hash[4];
    table->buckets = (const uint32_t *)(const void *)(table->bloom +
                                                      table->bloom_size);
    table->chains = table->buckets + table->bucket_count;
    return table->bucket_count > 0 && table->bloom_size > 0;
}

static bool may_have(const struct table *table, uint32_t hash)
{
    const unsigned bits = sizeof(ElfW(Addr)) * 8;
    ElfW(Addr) word = table->bloom[hash / bits % table->bloom_size];

    return (word >> (hash % bits) &
            word >> ((hash >> table->bloom_shift) % bits) & 1) != 0;
}

/* strcmp() may be another preloaded library's, as a sanitizer's is, which calls
 * what is not known yet. */
static bool same(const char *a, const char *b)
{
    while (*a == *b && *a != '\0')
        a++, b++;
    return *a == *b;
}

/* A function of that name in its default version, or in `any`; or NULL. */
static void *find_in(const struct table *table, const char *name, uint32_t hash,
                     bool any)
{
    uint32_t at = table->buckets[hash % table->bucket_count];

    if (at < table->first)
        return NULL;
    for (;; at++) {
        uint32_t chain = table->chains[at - table->first];
        const ElfW(Sym) *symbol = &table->symbols[at];
        unsigned type = ELF64_ST_TYPE(symbol->st_info);

        if ((chain | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF &&
            (type == STT_FUNC || type == STT_NOTYPE) &&
            (any || table->versions == NULL || /* 0x8000: not the default */
             (table->versions[at] != 0 &&
              (table->versions[at] & 0x8000) == 0)) &&
            same(table->strings + symbol->st_name, name))
            return (void *)(uintptr_t)(table->base + symbol->st_value);
        if (chain & 1)
            return NULL;
    }
}

/* ---- all of them ---- */

/* In libraries behind this one; what libc has for old programs only, in a second
 * round. */
static void find_behind(const struct link_map *library, bool any)
{
    uint32_t hashes[NAMES];
    struct table table;
    size_t i;

    for (i = 0; i < NAMES; i++)
        hashes[i] = hash_of(names[i].name);
    for (; library != NULL; library = library->l_next) {
        if (!read_table(library, &table))
            continue;
        for (i = 0; i < NAMES; i++)
            if (*names[i].where == NULL && may_have(&table, hashes[i]))
                *names[i].where =
                    find_in(&table, names[i].name, hashes[i], any);
    }
}

void *mp__real_sigsetjmp, *mp__real_getcontext;

/* Not by dlsym(), which allocates to say that there is none: this may be called from
 * the allocator's own start. */
void mp__real_resolve(void)
{
    struct link_map *own = NULL;
    static int done;
    Dl_info info;
    size_t i;

    if (done)
        return;
    done = 1;
    if (dladdr1(&mp__real, &info, (void **)&own, RTLD_DL_LINKMAP) != 0 &&
        own != NULL) {
        find_behind(own->l_next, false);
        find_behind(own->l_next, true);
    }
    for (i = 0; i < sizeof conds / sizeof *conds; i++) {
        void *found = dlvsym(RTLD_NEXT, conds[i].name, COND_VERSION);

        if (found != NULL)
            *conds[i].where = found;
    }
    mp__real_sigsetjmp = (void *)(uintptr_t)mp__real.__sigsetjmp;
    mp__real_getcontext = (void *)(uintptr_t)mp__real.getcontext;
}

void *mp__real_next(const char *name)
{
    for (size_t i = 0; i < sizeof conds / sizeof *conds; i++)
        if (strcmp(conds[i].name, name) == 0)
            return *conds[i].where;
    return dlsym(RTLD_NEXT, name);
}

void *mp__real_symbol(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

void *mp__real_symbol_of(const char *path, int flags, const char *name)
{
    void *library = mp__real.dlopen(path, flags), *found = NULL;

    if (library != NULL)
        found = dlsym(library, name);
    return found;
}
