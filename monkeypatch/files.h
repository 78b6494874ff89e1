/* files.h - calls on files that helpers make: files.c, wrap_pread.c */
#ifndef FILES_H
#define FILES_H

#include "monkeypatch/io_impl.h"

/* The call is to be handed over: VIREO_FILES is `wanted` or more, there is somebody else to run
 * meanwhile, and the caller may park. */
bool mp__files_in_pool(enum mp__files wanted);
/* The same for a write: to a file that is written through with `reads`. */
bool mp__writes_in_pool(int fd);
/* `native` on a helper; its result. */
long mp__files_run(struct mp__io *io, mp__io_call *native, void *call);
void mp__files_run_as(void (*function)(void *), void *arg);

/* pread() and its kin. */
struct mp__placed {
    const struct iovec *vec;
    int count;
    off_t at; /* with flags, -1: where the file is */
    int flags;
    bool write;
    bool one; /* not those with a vector: vec is ours */
};
/* A result or -errno. */
long mp__placed(int fd, struct mp__placed *call);
/* Where it would wait for storage it runs on a helper. */
bool mp__placed_in_pool(int fd, const struct mp__placed *call);
/* preadv2() or pwritev2() of what is no file: which flags it knows only the
 * kernel can say, so where it may wait a helper makes the call as it is. */
long mp__flagged(int fd, struct mp__placed *call);

#endif
