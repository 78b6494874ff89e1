/* linked.c - a program that was linked to this library, or to libvireo.so
 *
 * Found in what ld.so has loaded; nothing here allocates. */
#include "monkeypatch/monkeypatch_impl.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#define OWN_NAME "libvireo-preload.so." VIREO_SOVERSION

extern const char __ehdr_start[] MP_HIDDEN; /* the linker's: where we begin */
extern const char _end[] MP_HIDDEN;

static const struct link_map *map_of(const void *inside)
{
    struct link_map *map = NULL;
    Dl_info info;

    return dladdr1(inside, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 ? map
                                                                       : NULL;
}

/* The value of a dynamic entry that is an address; NULL where there is none, or
 * where ld.so has not relocated it (the vdso). */
static const void *entry_of(const struct link_map *map, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_ptr >= map->l_addr
                       ? (const void *)entry->d_un.d_ptr
                       : NULL;
    return NULL;
}

static size_t size_of(const struct link_map *map, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_val;
    return 0;
}

static bool needs_us(const struct link_map *map)
{
    const char *strings = entry_of(map, DT_STRTAB);

    for (const ElfW(Dyn) *entry = map->l_ld;
         strings != NULL && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED &&
            strcmp(strings + entry->d_un.d_val, OWN_NAME) == 0)
            return true;
    return false;
}

bool mp__linked(void)
{
    const struct link_map *map = map_of(&mp__options);

    while (map != NULL && map->l_prev != NULL)
        map = map->l_prev;
    for (; map != NULL; map = map->l_next)
        if (needs_us(map))
            return true;
    return false;
}

/* ---- two of this library ---- */

static bool is_ours(uintptr_t address)
{
    return address >= (uintptr_t)__ehdr_start && address < (uintptr_t)_end;
}

/* Found under a name that this library always has, so without an allocation. */
const char *mp__in_front(void)
{
    void *first = mp__real_symbol("vireo_preload_refuse_static");
    const struct link_map *map;

    if (first == NULL || is_ours((uintptr_t)first))
        return NULL;
    map = map_of(first);
    return map != NULL ? map->l_name : "?";
}

/* ---- runtimes that must know each thread ---- */

extern int __tsan_init __attribute__((weak)), __lsan_init __attribute__((weak));

/* LeakSanitizer's pthread_create() spins until the new thread has run, if it is
 * the one that the program calls. */
const char *mp__forbidden_by(void)
{
    if (&__tsan_init != NULL)
        return "ThreadSanitizer knows the kernel's threads only";
    if (&__lsan_init != NULL &&
        !is_ours((uintptr_t)mp__real_symbol("pthread_create")))
        return "LeakSanitizer's pthread_create() is in front of this library's";
    return NULL;
}

/* ---- libvireo.so's own calls ---- */

struct runtime {
    const struct link_map *map;
    const char *loop_calls; /* libev's: who has its own calls of epoll; NULL */
    const ElfW(Sym) *symbols;
    const char *strings;
};

/* What leads to a wrapper of ours, or may: a function of that name stands before it,
 * a sanitizer's for one, which goes on to the next.  Of locks and their like all have
 * to be libc's, or none; and a call that may wait is a cancellation point of the
 * thread on whose block the loop runs. */
static void *original_of(const char *name, const void *address)
{
    const unsigned wait = MP_sync | MP_file | MP_socket | MP_poll | MP_time;
    const struct link_map *front;
    void *original;

    if (is_ours((uintptr_t)address))
        return mp__real_next(name);
    if ((mp__group_of_function(name) & wait) == 0)
        return NULL;
    original = mp__real_next(name);
    front = map_of(address);
    return original != NULL && front != map_of(original) ? original : NULL;
}

/* What poll.c of the hub has of libev's calls; NULL: nothing of that name. */
static void *loop_call(const char *path, const char *name)
{
    static const char *const calls[] = { "vireo_epoll_create1",
                                         "vireo_epoll_ctl", "vireo_epoll_wait" };

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(calls[i] + sizeof "vireo_" - 1, name) == 0)
            return mp__real_symbol_of(path, RTLD_NOW | RTLD_NOLOAD, calls[i]);
    return NULL;
}

static void *wanted_for(const struct runtime *runtime, const char *name,
                        const void *address)
{
    void *call = runtime->loop_calls != NULL
                     ? loop_call(runtime->loop_calls, name)
                     : NULL;

    return call != NULL ? call : original_of(name, address);
}

/* Each place where ld.so has put the address of one of those. */
static void rebind(const struct runtime *runtime, const ElfW(Rela) *place,
                   size_t size)
{
    for (size_t i = 0; place != NULL && i < size / sizeof *place; i++) {
        const ElfW(Sym) *symbol =
            &runtime->symbols[ELF64_R_SYM(place[i].r_info)];
        void **slot = (void **)(runtime->map->l_addr + place[i].r_offset);
        void *original;

        if (ELF64_R_SYM(place[i].r_info) == 0 ||
            symbol->st_shndx != SHN_UNDEF)
            continue;
        original = wanted_for(runtime, runtime->strings + symbol->st_name,
                              *slot);
        if (original != NULL)
            *slot = original;
    }
}

/* The pages that ld.so has made read-only, or nothing. */
static int find_relro(struct dl_phdr_info *info, size_t size, void *data)
{
    ElfW(Phdr) *found = data;

    (void)size;
    if (info->dlpi_addr != found->p_vaddr)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
            *found = info->dlpi_phdr[i];
    return 1;
}

static void bind_anew(struct runtime *runtime)
{
    const uintptr_t page = 4096; /* ld.so rounds by its own: no less */
    ElfW(Phdr) relro = { 0 };
    uintptr_t from, to;

    runtime->symbols = entry_of(runtime->map, DT_SYMTAB);
    runtime->strings = entry_of(runtime->map, DT_STRTAB);
    if (runtime->symbols == NULL || runtime->strings == NULL)
        return;
    relro.p_vaddr = runtime->map->l_addr;
    dl_iterate_phdr(find_relro, &relro);
    from = (runtime->map->l_addr + relro.p_vaddr) & ~(page - 1);
    to = (runtime->map->l_addr + relro.p_vaddr + relro.p_memsz) & ~(page - 1);
    if (relro.p_type != PT_GNU_RELRO ||
        mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) != 0)
        return;
    rebind(runtime, entry_of(runtime->map, DT_RELA),
           size_of(runtime->map, DT_RELASZ));
    rebind(runtime, entry_of(runtime->map, DT_JMPREL),
           size_of(runtime->map, DT_PLTRELSZ));
    mprotect((void *)from, to - from, PROT_READ);
}

void mp__runtime_calls_libc(const void *inside)
{
    struct runtime runtime = { .map = map_of(inside) };

    if (runtime.map != NULL)
        bind_anew(&runtime);
}

/* One that stands before it is the program's, too. */
void mp__loop_calls_runtime(const void *inside)
{
    const struct link_map *own = map_of(inside);

    for (const struct link_map *map = own; map != NULL; map = map->l_next) {
        struct runtime libev = { .map = map, .loop_calls = own->l_name };
        const char *slash = strrchr(map->l_name, '/');

        if (slash != NULL && strncmp(slash, "/libev.so", 9) == 0)
            bind_anew(&libev);
    }
}
