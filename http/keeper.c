/* keeper.c - what the one above is told: systemd, or the master that keeps us
 *
 * Its queue is short.  What finds no room there waits in a queue of ours, and
 * what comes behind it: a keeper that does not listen for a while misses
 * nothing, and one that hangs keeps the master from nothing. */
#include "http/master_impl.h"
#include "http/memory.h"
#include "http/notify.h"

#include "hub/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_NS (60 * HUB_SECOND) /* then a message is given up */

struct http__note {
    struct http__note *next;
    int fd; /* borrowed; -1: none */
    int64_t until;
    char text[];
};

/* ---- telling ---- */

static void say_untold(const struct http__master *master, const char *text,
                       int rc)
{
    if (!master->ends)
        http__master_say("%s was not told %.*s: %s", master->keeper,
                         (int)strcspn(text, "\n"), text, strerror(-rc));
}

static void drop_first(struct http__master *master)
{
    struct http__note *note = master->notes;

    master->notes = note->next;
    free(note);
}

static void tell_rest(void *arg)
{
    struct http__master *master = arg;

    while (master->notes != NULL) {
        const struct http__note *note = master->notes;
        int rc = http__notify_send(master->tells, master->keeper, note->text,
                                   note->fd, note->until);

        if (rc == -ECANCELED)
            return; /* http__keeper_free() */
        if (rc < 0)
            say_untold(master, note->text, rc);
        drop_first(master);
    }
    greenlet_unref(master->teller);
    master->teller = NULL;
}

static int queue(struct http__master *master, const char *text, int fd)
{
    struct http__note *note = http__malloc(sizeof *note + strlen(text) + 1);
    struct http__note **last = &master->notes;

    if (note == NULL)
        return -ENOMEM;
    note->next = NULL;
    note->fd = fd;
    note->until = hub_deadline(TELL_NS);
    strcpy(note->text, text);
    while (*last != NULL)
        last = &(*last)->next;
    *last = note;
    if (master->teller == NULL)
        master->teller = hub_spawn_raw(tell_rest, master);
    if (master->teller != NULL)
        return 0;
    drop_first(master); /* the only one */
    return -ENOMEM;
}

static void tell(struct http__master *master, const char *text, int fd)
{
    int rc = -EAGAIN;

    if (master->keeper == NULL)
        return;
    if (master->teller == NULL)
        rc = http__notify_send(master->tells, master->keeper, text, fd,
                               HUB_NOWAIT);
    if (rc == -EAGAIN)
        rc = queue(master, text, fd);
    if (rc < 0)
        say_untold(master, text, rc);
}

void http__keeper_free(struct http__master *master)
{
    struct greenlet *teller = master->teller;
    struct hub_shield shield;

    hub_shield_begin(&shield);
    if (teller != NULL) {
        hub_kill_join(teller, HUB_FOREVER);
        greenlet_unref(teller);
    }
    hub_shield_end(&shield);
    master->teller = NULL;
    while (master->notes != NULL)
        drop_first(master);
    if (master->tells >= 0)
        hub_close(master->tells);
    master->tells = -1;
}

/* ---- what is told ---- */

static void tell_of(struct http__master *master, const char *word, size_t i,
                    int fd)
{
    char message[1024];
    char *name = http__listeners_encode(master->listeners.list[i].name);

    snprintf(message, sizeof message, "%s\nFDNAME=%s", word,
             name != NULL ? name : "");
    free(name);
    tell(master, message, fd);
}

static bool is_first_of_name(const struct http__listeners *listeners, size_t i)
{
    const char *name = listeners->list[i].name;

    for (size_t k = 0; name != NULL && k < i; k++)
        if (listeners->list[k].name != NULL &&
            strcmp(listeners->list[k].name, name) == 0)
            return false;
    return name != NULL;
}

/* A master above us keeps what we have opened, for who comes after us, and need
 * not keep what we have not taken. */
static void hand_up(struct http__master *master)
{
    struct http__listeners *listeners = &master->listeners;

    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->list[i].made)
            tell_of(master, "FDSTORE=1", i, listeners->list[i].fd);
        else if (http__listeners_is_unused(listeners, i) &&
                 is_first_of_name(listeners, i))
            tell_of(master, "FDSTOREREMOVE=1", i, -1);
    http__listeners_close_unused(listeners);
}

void http__keeper_started(struct http__master *master)
{
    if (master->is_kept)
        hand_up(master);
    http__keeper_ready(master);
}

void http__keeper_ready(struct http__master *master)
{
    tell(master, "READY=1", -1);
}

/* systemd (Type=notify-reload) wants the time with it. */
void http__keeper_reloading(struct http__master *master)
{
    char message[64];

    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(hub_now() / HUB_MICROSECOND));
    tell(master, message, -1);
}

void http__keeper_stopping(struct http__master *master)
{
    tell(master, "STOPPING=1", -1);
}
