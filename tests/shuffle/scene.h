/* scene.h - scenes: small plays on one primitive, whose greenlets run in a random
 * order
 *
 * All scenes of a seed run at once on one hub.  start() makes the scene's state and
 * its greenlets; when all greenlets of all scenes have ended, check() looks whether
 * what must hold has held, and frees the state.  Everything waits for ever where
 * something must come: what is lost leaves somebody stuck, and the hub says whom. */
#ifndef VIREO_TESTS_SCENE_H
#define VIREO_TESTS_SCENE_H

#include <vireo/hub.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scene {
    const char *name;
    void *(*start)(void);
    void (*check)(void *state);
    struct scene *next;
};
void scene_register(struct scene *scene);

#define SCENE(name_, start_, check_)                                       \
    __attribute__((constructor)) static void register_##name_(void)        \
    {                                                                      \
        static struct scene scene = { #name_, start_, check_, NULL };      \
                                                                           \
        scene_register(&scene);                                            \
    }

/* 0 ... n - 1, as the seed has it. */
unsigned draw(unsigned n);
/* A greenlet of the play; borrowed until the seed has ended. */
struct greenlet *actor(greenlet_run *run, void *arg);
/* Soon, and once, the wait that g is in ends with THROWN: also one that was given
 * already what it waited for.  Only if g has said that it may(). */
void throw_into(struct greenlet *g);
void may_be_thrown_into(void);
#define THROWN (-ENOANO)
/* Let others run, a few times perhaps, or sleep for a moment.  Returns why that
 * ended early. */
int hop(void);
/* A deadline that has come, or comes in a moment. */
int64_t soon(void);
void *state_of(size_t size);

_Noreturn void broken(const char *file, int line, const char *what);
#define MUST(condition) \
    ((condition) ? (void)0 : broken(__FILE__, __LINE__, #condition))

#endif
