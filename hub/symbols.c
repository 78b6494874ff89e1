/* symbols.c - names for code addresses, from the files that are mapped */
#include "hub/symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPS 256
#define PATHS (64 * 1024)
#define CACHED 1024 /* a thousand greenlets wait in a few places */

struct map {
    uintptr_t start, end, offset;
    const char *path; /* "" for memory without a file */
    const char *image; /* the whole file; NULL: not tried, or in vain */
    size_t size;
    bool tried;
};

struct hub__symbols {
    struct map maps[MAPS]; /* those with code */
    int count;
    const struct map *own, *program;
    const char *root; /* in front of all paths */
    struct {
        const void *address;
        struct hub__symbol symbol;
    } cache[CACHED];
    size_t used;
    uint64_t session; /* from 1 */
    char paths[PATHS];
};

/* ---- /proc/self/maps ---- */

/* A line at a time, of what may be longer than any buffer. */
struct lines {
    int fd;
    size_t at, filled;
    char buffer[4096];
};

static int next_char(struct lines *lines)
{
    if (lines->at == lines->filled) {
        long got;

        do
            got = syscall(SYS_read, lines->fd, lines->buffer,
                          sizeof lines->buffer);
        while (got < 0 && errno == EINTR);
        if (got <= 0)
            return -1;
        lines->at = 0;
        lines->filled = (size_t)got;
    }
    return (unsigned char)lines->buffer[lines->at++];
}

/* False at the end.  What does not fit is cut off. */
static bool next_line(struct lines *lines, char *line, size_t size)
{
    size_t length = 0;
    int c;

    while ((c = next_char(lines)) >= 0 && c != '\n')
        if (length + 1 < size)
            line[length++] = (char)c;
    line[length] = '\0';
    return c >= 0 || length > 0;
}

static const char *hex(const char *at, uintptr_t *number)
{
    for (*number = 0;; at++) {
        if (*at >= '0' && *at <= '9')
            *number = *number * 16 + (uintptr_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            *number = *number * 16 + (uintptr_t)(*at - 'a' + 10);
        else
            return at;
    }
}

static const char *keep_path(struct hub__symbols *symbols, const char *path)
{
    size_t length = strlen(path) + 1;
    char *kept = symbols->paths + symbols->used;

    if (symbols->count > 0 &&
        strcmp(symbols->maps[symbols->count - 1].path, path) == 0)
        return symbols->maps[symbols->count - 1].path;
    if (length > PATHS - symbols->used)
        return "";
    memcpy(kept, path, length);
    symbols->used += length;
    return kept;
}

/* "start-end rwxp offset dev inode   path" */
static void take_line(struct hub__symbols *symbols, const char *line)
{
    struct map map = { 0 };
    const char *path, *at = hex(line, &map.start);

    at = hex(at + (*at == '-'), &map.end);
    if (strlen(at) < 6 || at[3] != 'x' || symbols->count == MAPS)
        return;
    at = hex(at + 6, &map.offset);
    path = strchr(at, '/');
    if (path == NULL)
        path = strchr(at, '[');
    map.path = keep_path(symbols, path != NULL ? path : "");
    symbols->maps[symbols->count++] = map;
}

static struct map *map_of(struct hub__symbols *symbols, uintptr_t address)
{
    for (int i = 0; symbols != NULL && i < symbols->count; i++)
        if (address >= symbols->maps[i].start && address < symbols->maps[i].end)
            return &symbols->maps[i];
    return NULL;
}

static int open_raw(const char *path)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* What `fd` says, which it closes. */
static struct hub__symbols *read_maps(int fd)
{
    static uint64_t sessions; /* atomic */
    struct hub__symbols *symbols =
        mmap(NULL, sizeof *symbols, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct lines lines = { .fd = fd, .at = 0, .filled = 0 };
    char line[512];

    while (symbols != MAP_FAILED && fd >= 0 &&
           next_line(&lines, line, sizeof line))
        take_line(symbols, line);
    if (fd >= 0)
        syscall(SYS_close, fd);
    if (symbols == MAP_FAILED)
        return NULL;
    symbols->session = __atomic_add_fetch(&sessions, 1, __ATOMIC_RELAXED);
    return symbols;
}

struct hub__symbols *hub__symbols_open(void)
{
    int before = errno;
    struct hub__symbols *symbols = read_maps(open_raw("/proc/self/maps"));

    if (symbols != NULL) {
        symbols->root = "";
        symbols->own = map_of(symbols, (uintptr_t)hub__symbols_open);
        symbols->program = map_of(symbols, getauxval(AT_ENTRY));
    }
    errno = before;
    return symbols;
}

struct hub__symbols *hub__symbols_open_of(int maps, const char *root)
{
    struct hub__symbols *symbols = read_maps(maps);

    if (symbols != NULL)
        symbols->root = root;
    return symbols;
}

uint64_t hub__symbols_session(const struct hub__symbols *symbols)
{
    return symbols != NULL ? symbols->session : 0;
}

void hub__symbols_close(struct hub__symbols *symbols)
{
    int before = errno;

    for (int i = 0; symbols != NULL && i < symbols->count; i++)
        if (symbols->maps[i].image != NULL)
            munmap((void *)(uintptr_t)symbols->maps[i].image,
                   symbols->maps[i].size);
    if (symbols != NULL)
        munmap(symbols, sizeof *symbols);
    errno = before;
}

/* ---- a file of ELF ---- */

static bool is_elf(const char *image, size_t size)
{
    const Elf64_Ehdr *head = (const void *)image;

    return size > sizeof *head && memcmp(image, ELFMAG, SELFMAG) == 0 &&
           image[EI_CLASS] == ELFCLASS64 && head->e_phoff < size &&
           head->e_phentsize == sizeof(Elf64_Phdr) &&
           head->e_phnum < (size - head->e_phoff) / sizeof(Elf64_Phdr);
}

static int open_below(const char *root, const char *name)
{
    char path[4096];

    if (root[0] == '\0' || strlen(root) + strlen(name) >= sizeof path)
        return open_raw(name);
    strcpy(path, root);
    return open_raw(strcat(path, name));
}

static void load(const struct hub__symbols *symbols, struct map *map)
{
    long size;
    void *image;
    int fd;

    map->tried = true;
    if (strcmp(map->path, "[vdso]") == 0 || map->path[0] != '/')
        return;
    fd = open_below(symbols->root, map->path);
    if (fd < 0)
        return;
    size = syscall(SYS_lseek, fd, 0L, SEEK_END);
    image = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0)
                     : MAP_FAILED;
    syscall(SYS_close, fd);
    if (image == MAP_FAILED)
        return;
    if (!is_elf(image, (size_t)size)) {
        munmap(image, (size_t)size);
        return;
    }
    map->image = image;
    map->size = (size_t)size;
}

/* Where the file says that the byte at that offset of it will be. */
static bool to_virtual(const struct map *map, uintptr_t offset,
                       uintptr_t *address)
{
    const Elf64_Ehdr *head = (const void *)map->image;
    const Elf64_Phdr *part = (const void *)(map->image + head->e_phoff);

    for (int i = 0; i < head->e_phnum; i++, part++)
        if (part->p_type == PT_LOAD && offset >= part->p_offset &&
            offset - part->p_offset < part->p_filesz) {
            *address = offset - part->p_offset + part->p_vaddr;
            return true;
        }
    return false;
}

static bool inside(const struct map *map, const Elf64_Shdr *part)
{
    return part->sh_offset < map->size &&
           part->sh_size <= map->size - part->sh_offset;
}

/* The function at that address in one table of symbols. */
static const Elf64_Sym *search(const struct map *map, const Elf64_Shdr *table,
                               uintptr_t address)
{
    const Elf64_Sym *at = (const void *)(map->image + table->sh_offset);
    const Elf64_Sym *end = at + table->sh_size / sizeof *at;

    for (; at < end; at++)
        if (ELF64_ST_TYPE(at->st_info) == STT_FUNC && at->st_shndx != 0 &&
            address >= at->st_value &&
            (address - at->st_value < at->st_size ||
             (at->st_size == 0 && address == at->st_value)))
            return at;
    return NULL;
}

static const char *name_in(const struct map *map, uintptr_t address,
                           uint32_t type, uintptr_t *offset)
{
    const Elf64_Ehdr *head = (const void *)map->image;
    const Elf64_Shdr *parts = (const void *)(map->image + head->e_shoff);

    if (head->e_shoff >= map->size || head->e_shentsize != sizeof *parts ||
        head->e_shnum > (map->size - head->e_shoff) / sizeof *parts)
        return NULL;
    for (int i = 0; i < head->e_shnum; i++) {
        const Elf64_Shdr *table = &parts[i], *names;
        const Elf64_Sym *found;

        if (table->sh_type != type || table->sh_link >= head->e_shnum)
            continue;
        names = &parts[table->sh_link];
        if (!inside(map, table) || !inside(map, names))
            continue;
        found = search(map, table, address);
        if (found == NULL || found->st_name >= names->sh_size)
            continue;
        *offset = address - found->st_value;
        return map->image + names->sh_offset + found->st_name;
    }
    return NULL;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The static library is told from the program by names alone. */
static bool is_ours(const struct hub__symbols *symbols, const struct map *map,
                    const char *name)
{
    static const char *const entries[] = { "run_task", "run_raw", "run_loop",
                                           "jump_fcontext" };

    if (symbols->own == NULL || strcmp(map->path, symbols->own->path) != 0)
        return false;
    if (symbols->program == NULL ||
        strcmp(symbols->program->path, symbols->own->path) != 0)
        return true;
    if (name == NULL)
        return false;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (strcmp(name, entries[i]) == 0)
            return true;
    return starts_with(name, "hub_") || starts_with(name, "greenlet_");
}

static void look_up(struct hub__symbols *symbols, const void *address,
                    struct hub__symbol *symbol)
{
    struct map *map = map_of(symbols, (uintptr_t)address);
    uintptr_t in_file, wanted;

    *symbol = (struct hub__symbol){ .name = NULL };
    if (map == NULL)
        return;
    in_file = (uintptr_t)address - map->start + map->offset;
    symbol->offset = in_file;
    symbol->file = last_component(map->path);
    if (!map->tried)
        load(symbols, map);
    if (map->image != NULL && to_virtual(map, in_file, &wanted)) {
        symbol->offset = wanted;
        symbol->name = name_in(map, wanted, SHT_SYMTAB, &symbol->offset);
        if (symbol->name == NULL)
            symbol->name = name_in(map, wanted, SHT_DYNSYM, &symbol->offset);
    }
    symbol->ours = is_ours(symbols, map, symbol->name);
}

void hub__symbols_find(struct hub__symbols *symbols, const void *address,
                       struct hub__symbol *symbol)
{
    size_t place = ((uintptr_t)address ^ (uintptr_t)address >> 10) % CACHED;

    if (symbols == NULL) {
        *symbol = (struct hub__symbol){ .name = NULL };
        return;
    }
    if (symbols->cache[place].address != address) {
        look_up(symbols, address, symbol);
        symbols->cache[place].address = address;
        symbols->cache[place].symbol = *symbol;
    }
    *symbol = symbols->cache[place].symbol;
}

bool hub__symbols_image(struct hub__symbols *symbols, const void *address,
                        struct hub__image *image)
{
    struct map *map = map_of(symbols, (uintptr_t)address);

    if (map == NULL)
        return false;
    if (!map->tried)
        load(symbols, map);
    image->bytes = map->image;
    image->size = map->size;
    return map->image != NULL &&
           to_virtual(map, (uintptr_t)address - map->start + map->offset,
                      &image->virtual);
}

bool hub__symbols_in_library(struct hub__symbols *symbols, const void *address)
{
    const struct map *map = map_of(symbols, (uintptr_t)address);

    return map != NULL && is_ours(symbols, map, NULL);
}

bool hub__symbols_is_code(struct hub__symbols *symbols, const void *address)
{
    return map_of(symbols, (uintptr_t)address) != NULL;
}

/* ---- frames ---- */

#define FEW 2 /* static functions between those that are known by name */

static void find(struct hub__symbols *symbols, void *const *frames, int i,
                 bool interrupted, struct hub__symbol *symbol)
{
    const char *address = frames[i];

    /* A return address may be behind the end of the function that called. */
    if (i > 0 || !interrupted) {
        hub__symbols_find(symbols, address - 1, symbol);
        symbol->offset++;
    } else {
        hub__symbols_find(symbols, address, symbol);
    }
}

static bool is_public(const char *name)
{
    return name != NULL &&
           ((starts_with(name, "hub_") && name[4] != '_') ||
            (starts_with(name, "greenlet_") && name[9] != '_'));
}

/* Where the program begins: behind the last frame of ours at the top, or at it,
 * if that is the function that was called. */
static int first_shown(struct hub__symbols *symbols, void *const *frames,
                       int count, bool interrupted)
{
    int shown = 0;

    for (int i = 0; i < count && i < shown + FEW + 1; i++) {
        struct hub__symbol symbol;

        find(symbols, frames, i, interrupted, &symbol);
        if (!symbol.ours)
            continue;
        shown = i + 1;
        if (is_public(symbol.name) && i + 1 < count) {
            struct hub__symbol next;

            find(symbols, frames, i + 1, interrupted, &next);
            if (!next.ours)
                return i;
        }
    }
    return shown;
}

static int last_shown(struct hub__symbols *symbols, void *const *frames,
                      int count, bool interrupted)
{
    while (count > 0) {
        struct hub__symbol symbol;

        find(symbols, frames, count - 1, interrupted, &symbol);
        if (!symbol.ours)
            break;
        count--;
    }
    return count;
}

void hub__print_frames(struct hub__print *print, struct hub__symbols *symbols,
                       void *const *frames, int count, bool interrupted)
{
    int end = last_shown(symbols, frames, count, interrupted);
    int first = first_shown(symbols, frames, end, interrupted);

    for (int i = first; i < end; i++) {
        struct hub__symbol symbol;

        find(symbols, frames, i, interrupted, &symbol);
        hub__print(print, "      #%d %p", i - first, frames[i]);
        if (symbol.name != NULL)
            hub__print(print, " %s+0x%lx", symbol.name,
                       (unsigned long)symbol.offset);
        else if (symbol.file != NULL)
            hub__print(print, " +0x%lx", (unsigned long)symbol.offset);
        if (symbol.file != NULL && symbol.file[0] != '\0')
            hub__print(print, " (%s)", symbol.file);
        hub__print(print, "\n");
    }
}
