/* tree.c - by whom greenlets were spawned, and who is told that they are
 *
 * The spawner is not kept, so that a greenlet which spawns its successor for
 * ever leaves nothing behind.  What a tree shares is counted. */
#include "context/testhook.h"
#include "hub/hub_impl.h"
#include "hub/sight.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 10
#define OWN_FRAMES 6 /* at most: of this file and of the call that spawns */

struct local {
    struct local *next;
    const void *key;
    void *value;
    void (*destroy)(void *value);
};

struct locals {
    size_t users;
    struct local *first;
};

struct hub__born {
    struct greenlet_weak *spawner;
    struct locals *locals;
    int count;
    void *frames[FRAMES];
};

struct told {
    struct told *next;
    hub_spawn_function *function; /* NULL: removed while it was being called */
    void *data;
};

struct hub__spawners {
    bool tree;
    unsigned calling;
    struct told *told;
};

/* ---- values of a tree ---- */

static void drop_locals(struct locals *locals)
{
    struct local *local;

    if (locals == NULL || --locals->users > 0)
        return;
    while ((local = locals->first) != NULL) {
        locals->first = local->next;
        if (local->destroy != NULL)
            local->destroy(local->value);
        free(local);
    }
    free(locals);
}

static struct locals *locals_of(struct greenlet *g)
{
    struct hub__more *more = hub__own(g)->more;

    return more != NULL && more->born != NULL ? more->born->locals : NULL;
}

static struct local *find(struct locals *locals, const void *key)
{
    struct local *local = locals != NULL ? locals->first : NULL;

    while (local != NULL && local->key != key)
        local = local->next;
    return local;
}

void *hub_tree_get(struct greenlet *g, const void *key)
{
    struct local *local = find(locals_of(g), key);

    return local != NULL ? local->value : NULL;
}

int hub_tree_set(struct greenlet *g, const void *key, void *value,
                 void (*destroy)(void *value))
{
    struct locals *locals = locals_of(g);
    struct local *local = find(locals, key), old = { 0 };

    if (locals == NULL)
        return -ENODATA;
    if (local == NULL) {
        local = greenlet__calloc(1, sizeof *local);
        if (local == NULL)
            return -ENOMEM;
        local->key = key;
        local->next = locals->first;
        locals->first = local;
    }
    old = *local;
    local->value = value;
    local->destroy = destroy;
    if (old.destroy != NULL)
        old.destroy(old.value);
    return 0;
}

/* ---- birth ---- */

static struct hub__born *born_of(struct greenlet *g)
{
    struct hub__more *more = hub__more(g);

    if (more != NULL && more->born == NULL)
        more->born = greenlet__calloc(1, sizeof *more->born);
    return more != NULL ? more->born : NULL;
}

static struct locals *new_locals(void)
{
    struct locals *locals = greenlet__calloc(1, sizeof *locals);

    if (locals != NULL)
        locals->users = 1;
    return locals;
}

/* What the main greenlet and the loop spawn are the roots of trees. */
static struct locals *inherit(const struct hub *hub, struct greenlet *spawner)
{
    struct hub__born *born;

    if (greenlet_main(spawner) || spawner == hub->greenlet)
        return new_locals();
    born = born_of(spawner);
    if (born == NULL)
        return NULL;
    if (born->locals == NULL)
        born->locals = new_locals();
    if (born->locals != NULL)
        born->locals->users++;
    return born->locals;
}

/* Without memory it is just not known. */
static void note_birth(const struct hub *hub, struct greenlet *g,
                       const void *caller)
{
    struct greenlet *spawner = greenlet__word->current;
    struct hub__born *born = born_of(g);
    void *frames[FRAMES + OWN_FRAMES];
    int count, first = 0;

    if (born == NULL)
        return;
    born->spawner = greenlet_weak_new(spawner);
    born->locals = inherit(hub, spawner);
    count = backtrace(frames, FRAMES + OWN_FRAMES);
    while (first < OWN_FRAMES && first < count && frames[first] != caller)
        first++;
    count = count - first < FRAMES ? count - first : FRAMES;
    memcpy(born->frames, frames + first, (size_t)count * sizeof *frames);
    born->count = count;
}

void hub__born_free(struct hub__born *born)
{
    greenlet_weak_free(born->spawner);
    drop_locals(born->locals);
    free(born);
}

struct greenlet *hub_spawner(struct greenlet *g)
{
    struct hub__more *more = hub__own(g)->more;

    if (more == NULL || more->born == NULL || more->born->spawner == NULL)
        return NULL;
    return greenlet_weak_get(more->born->spawner);
}

struct hub__born_seen hub__born_peek(struct greenlet *g)
{
    const struct hub__more *more = hub__own(g)->more;
    const struct hub__born *born = more != NULL ? more->born : NULL;
    struct hub__born_seen seen = { NULL, NULL, 0 };

    if (born == NULL)
        return seen;
    if (born->spawner != NULL)
        seen.spawner = greenlet__weak_peek(born->spawner);
    seen.frames = born->frames;
    seen.count = born->count;
    return seen;
}

int hub_spawn_stack(struct greenlet *g, void **frames, int max)
{
    const struct hub__more *more = hub__own(g)->more;
    int count = more != NULL && more->born != NULL ? more->born->count : 0;

    if (count > max)
        count = max > 0 ? max : 0;
    if (count > 0)
        memcpy(frames, more->born->frames, (size_t)count * sizeof *frames);
    return count;
}

/* ---- who is told ---- */

static void forget_removed(struct hub__spawners *spawners)
{
    struct told **at = &spawners->told, *told;

    while ((told = *at) != NULL) {
        if (told->function != NULL) {
            at = &told->next;
        } else {
            *at = told->next;
            free(told);
        }
    }
}

static void call_all(struct hub__spawners *spawners, struct greenlet *g)
{
    spawners->calling++;
    for (struct told *told = spawners->told; told != NULL; told = told->next)
        if (told->function != NULL)
            told->function(g, told->data);
    if (--spawners->calling == 0)
        forget_removed(spawners);
}

static void on_spawn(struct hub *hub, struct greenlet *g, int what,
                     const void *caller)
{
    if (hub->spawners->tree && (what & HUB__MADE))
        note_birth(hub, g, caller);
    if (what & HUB__STARTED)
        call_all(hub->spawners, g);
}

/* Nobody is asked while nothing is set. */
static void hook(struct hub *hub)
{
    const struct hub__spawners *spawners = hub->spawners;

    hub->on_spawn = spawners->tree || spawners->told != NULL ? on_spawn : NULL;
}

static struct hub__spawners *spawners_of(struct hub *hub)
{
    if (hub != NULL && hub->spawners == NULL)
        hub->spawners = greenlet__calloc(1, sizeof *hub->spawners);
    return hub != NULL ? hub->spawners : NULL;
}

int hub_track_spawn_tree(bool on)
{
    struct hub *hub = hub__get();
    struct hub__spawners *spawners = spawners_of(hub);
    bool was;

    if (spawners == NULL)
        return -ENOMEM;
    was = spawners->tree;
    spawners->tree = on;
    hook(hub);
    return was;
}

static struct told **find_told(struct hub__spawners *spawners,
                               hub_spawn_function *function, const void *data)
{
    struct told **at = &spawners->told;

    while (*at != NULL &&
           ((*at)->function != function || (*at)->data != data))
        at = &(*at)->next;
    return at;
}

int hub_add_spawn_callback(hub_spawn_function *function, void *data)
{
    struct hub *hub = hub__get();
    struct hub__spawners *spawners = spawners_of(hub);
    struct told **at;

    if (spawners == NULL)
        return -ENOMEM;
    if (function == NULL)
        return -EINVAL;
    at = find_told(spawners, function, data);
    if (*at != NULL)
        return 0;
    *at = greenlet__calloc(1, sizeof **at);
    if (*at == NULL)
        return -ENOMEM;
    (*at)->function = function;
    (*at)->data = data;
    hook(hub);
    return 0;
}

int hub_remove_spawn_callback(hub_spawn_function *function, void *data)
{
    struct hub *hub = hub__peek();
    struct told **at;

    if (hub == NULL || hub->spawners == NULL || function == NULL)
        return -ENOENT;
    at = find_told(hub->spawners, function, data);
    if (*at == NULL)
        return -ENOENT;
    (*at)->function = NULL;
    if (hub->spawners->calling == 0)
        forget_removed(hub->spawners);
    hook(hub);
    return 0;
}

void hub__spawners_free(struct hub *hub)
{
    struct hub__spawners *spawners = hub->spawners;

    if (spawners == NULL)
        return;
    for (struct told *told = spawners->told; told != NULL; told = told->next)
        told->function = NULL;
    forget_removed(spawners);
    free(spawners);
    hub->spawners = NULL;
}
