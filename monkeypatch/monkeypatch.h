/* monkeypatch.h - which blocking functions of libc suspend a greenlet
 *
 * For programs that are linked to libvireo-preload.so (pkg-config vireo-preload,
 * Vireo::preload).  There every group of functions is on but `thread`, by which
 * pthread_create() makes greenlets: file, socket, poll, time, dns, sync,
 * process, signal, stdio.  The environment variable VIREO_PATCH says otherwise.
 * What was done by hand once, patching, is done when the program is linked; the
 * functions here are what is left of it. */
#ifndef VIREO_MONKEYPATCH_H
#define VIREO_MONKEYPATCH_H

#ifdef __cplusplus
extern "C" {
#endif

#define MONKEYPATCH_API __attribute__((visibility("default")))

/* Turn on every group, `thread` too: threads that the main thread and its
 * greenlets' threads make from now on are greenlets.  Those that exist stay what
 * they are.  To be called on the main thread of the process; again is harmless.
 *
 * Returns 0; -EPERM on another thread than the main one; -ENOTSUP where threads
 * cannot be mapped here, after one line on stderr that says why. */
MONKEYPATCH_API int monkeypatch_patch_all(void);

/* Does `name` suspend greenlets?  It is the name of a group, or of a function of
 * libc.  Thread-safe.
 *
 * Returns 1, 0 (also for a name that nobody knows), or -EINVAL for NULL. */
MONKEYPATCH_API int monkeypatch_is_patched(const char *name);

#ifdef __cplusplus
}
#endif
#endif
