/* native_notes.c - which objects wait for their threads past libc
 *
 * Programs and libraries in Go bring their own scheduler: where they use libc
 * at all, they make their threads by pthread_create(), and these wait for each
 * other by system calls of their own.  Go's linker leaves a note, of the owner
 * "Go", in each object that has this runtime. */
#include "monkeypatch/native_threads.h"

#include <elf.h>
#include <link.h>
#include <string.h>

static const char owner[] = "Go\0"; /* with what fills the word */

struct search {
    uintptr_t address;
    bool found;
};

static bool is_inside(const struct dl_phdr_info *object, uintptr_t address)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD &&
            address - object->dlpi_addr - segment->p_vaddr < segment->p_memsz)
            return true;
    }
    return false;
}

static size_t whole_words(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static bool has_note(const char *at, size_t left)
{
    ElfW(Nhdr) note;

    while (left >= sizeof note) {
        size_t size;

        memcpy(&note, at, sizeof note);
        size = sizeof note + whole_words(note.n_namesz) +
               whole_words(note.n_descsz);
        if (size > left)
            return false;
        if (note.n_namesz == sizeof owner &&
            memcmp(at + sizeof note, owner, sizeof owner) == 0)
            return true;
        at += size;
        left -= size;
    }
    return false;
}

static int look(struct dl_phdr_info *object, size_t size, void *data)
{
    struct search *search = data;

    (void)size;
    if (!is_inside(object, search->address))
        return 0;
    for (int i = 0; i < object->dlpi_phnum && !search->found; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + segment->p_vaddr;

        /* Of the file alone, unless a segment that is loaded covers it. */
        if (segment->p_type == PT_NOTE && is_inside(object, start))
            search->found = has_note((const char *)start, segment->p_memsz);
    }
    return 1;
}

bool mp__object_has_own_waits(const void *address)
{
    struct search search = {(uintptr_t)address, false};

    dl_iterate_phdr(look, &search);
    return search.found;
}
