/* script.c - runs one script, tortures or lists them; what they share */
#include "script.h"

#include <fcntl.h>
#include <stdarg.h>

#define LIMIT 30 /* seconds; under an emulator too */
#define MOST 64

int64_t script_t = 40 * HUB_MILLISECOND;

static struct script_entry *entries, **last = &entries;
static struct greenlet *kept[MOST];
static struct step *steps[4 * MOST];
static size_t kept_count, step_count;
static bool ended;

void script_register(struct script_entry *entry)
{
    *last = entry;
    last = &entry->next;
}

/* ---- the log ---- */

void say(const char *who, const char *format, ...)
{
    char line[256];
    va_list args;

    if (ended)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    printf("%s: %s\n", who, line);
    fflush(stdout);
}

const char *yes(bool value)
{
    return value ? "yes" : "no";
}

const struct greenlet_class lost_class = { "Lost", &greenlet_exception_class,
                                           -ENOANO };
const struct greenlet_exception lost = { .cls = &lost_class };

/* Of records: those whose error others have too. */
static const struct {
    const struct greenlet_class *cls;
    const char *name;
} classes[] = {
    { &hub_destroyed_class, "hub destroyed" },
    { &hub_blocking_class, "cannot wait here" },
    { &hub_loop_exit_class, "would block forever" },
};

static const struct {
    int error;
    const char *name;
} errors[] = {
    { 0, "done" },
    { -ETIMEDOUT, "timed out" },
    { -ECANCELED, "killed" },
    { -EPROTO, "switched to" },
    { -EBUSY, "in use" },
    { -EXDEV, "of another hub" },
    { -ENOSYS, "system exit" },
    { -ENOANO, "lost" },
    { -EPERM, "not the owner" },
    { -EDOM, "invalid" },
    { -EINVAL, "invalid" },
    { -EBADF, "bad descriptor" },
};

const char *word(int rc)
{
    const struct greenlet_exception *record = greenlet_caught_peek();

    if (record != NULL && record->cls != NULL &&
        (record->error ? record->error : record->cls->error) == rc)
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
            if (record->cls == classes[i].cls)
                return classes[i].name;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == rc)
            return errors[i].name;
    return rc > 0 ? "done" : strerror(-rc);
}

int attempt(const char *who, int rc)
{
    say(who, "%s", word(rc));
    return rc;
}

static void report(struct hub *hub, const struct greenlet *context,
                   const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)data;
    if (!greenlet_class_is(exception->cls, &greenlet_exit_class))
        say("hub", "reported %s",
            word(exception->error ? exception->error : exception->cls->error));
}

static void ignore(struct hub *hub, const struct greenlet *context,
                   const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)exception;
    (void)data;
}

void quiet(void)
{
    hub_set_error_handler(ignore, NULL);
}

/* ---- greenlets ---- */

void enough(bool there)
{
    if (!there) {
        fprintf(stderr, "not enough memory for the script\n");
        _exit(GAVE_UP);
    }
}

struct step *step(const char *who, int64_t n, void *object)
{
    struct step *s = calloc(1, sizeof *s);

    enough(s != NULL && step_count < sizeof steps / sizeof *steps);
    steps[step_count++] = s;
    *s = (struct step){ who, n, object, NULL };
    return s;
}

struct greenlet *keep(struct greenlet *g)
{
    enough(g != NULL && kept_count < MOST);
    kept[kept_count++] = g;
    return g;
}

struct greenlet *spawn(greenlet_run *run, const char *who, int64_t n,
                       void *object)
{
    return keep(hub_spawn(run, step(who, n, object)));
}

SHARED_BODY(says)
{
    say(s->who, "%s", s->what);
    return 0;
}

static struct step *step_says(const char *who, const char *what)
{
    struct step *s = step(who, 0, NULL);

    s->what = what;
    return s;
}

struct greenlet *spawn_says(const char *who, const char *what)
{
    return keep(hub_spawn(says, step_says(who, what)));
}

int tick(const char *who, int64_t count)
{
    int rc = 0;

    for (int64_t i = 0; i < count && rc == 0; i++) {
        say(who, "%d", (int)i);
        rc = hub_sleep(0);
    }
    return rc;
}

SHARED_BODY(ticks)
{
    return tick(s->who, s->n);
}

struct greenlet *spawn_ticks(const char *who, int64_t count)
{
    return spawn(ticks, who, count, NULL);
}

int nap(const char *who, int64_t ns)
{
    int rc = hub_sleep(ns);

    if (rc == 0)
        say(who, "awake");
    return rc;
}

SHARED_BODY(naps)
{
    return nap(s->who, s->n);
}

struct greenlet *spawn_naps(const char *who, int64_t ns)
{
    return spawn(naps, who, ns, NULL);
}

int fail(const char *who)
{
    say(who, "fails");
    return greenlet_raise(&lost);
}

SHARED_BODY(fails)
{
    return fail(s->who);
}

struct greenlet *spawn_fails(const char *who)
{
    return spawn(fails, who, 0, NULL);
}

struct greenlet *unstarted(const char *who, const char *what)
{
    return keep(hub_greenlet_new(says, step_says(who, what), 0));
}

struct greenlet *nobody(void)
{
    return unstarted("nobody", "ran");
}

void drain(void)
{
    hub_drain(HUB_FOREVER);
}

int join(struct greenlet *g)
{
    return hub_join(g, HUB_FOREVER);
}

void join_all(struct greenlet *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        join(list[i]);
}

static void say_step(void *arg)
{
    says(arg, NULL);
}

struct hub_callback *call_says(const char *who, const char *what)
{
    struct hub_callback *callback =
        hub_call_soon(say_step, step_says(who, what));

    enough(callback != NULL);
    return callback;
}

void switch_to(void *arg)
{
    greenlet_switch(arg, NULL, NULL);
}

/* ---- the program ---- */

/* In silence: whoever is left is killed, and nothing stays. */
static int clean_up(void)
{
    int rc;

    ended = true;
    quiet();
    for (size_t i = 0; i < kept_count; i++)
        hub_kill(kept[i]);
    rc = hub_destroy();
    for (size_t i = 0; i < kept_count; i++)
        greenlet_unref(kept[i]);
    for (size_t i = 0; i < step_count; i++)
        free(steps[i]);
    return rc;
}

void script_silent(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    ended = true;
    if (fd >= 0) {
        dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

bool script_is_wanted(const struct script_entry *entry, char **names)
{
    bool wanted = *names == NULL;

    for (; *names != NULL && !wanted; names++)
        wanted = strcmp(entry->name, *names) == 0;
    return wanted;
}

int script_run(const struct script_entry *entry)
{
    int rc;

    alarm(LIMIT);
    hub_set_error_fd(-1);
    hub_set_error_handler(report, NULL);
    entry->run();
    rc = clean_up();
    if (rc < 0)
        printf("hub_destroy: %s\n", strerror(-rc));
    return rc < 0;
}

int main(int argc, char **argv)
{
    const char *slower = getenv("GEVENT_SCRIPTS_SLOWER");
    const struct script_entry *entry;

    if (slower != NULL && atoi(slower) > 0)
        script_t *= atoi(slower);
    if (argc > 1 && strcmp(argv[1], "--torture") == 0)
        return torture(entries, argv + 2);
    for (entry = entries; entry != NULL; entry = entry->next)
        if (argc == 1)
            puts(entry->name);
        else if (strcmp(entry->name, argv[1]) == 0)
            return script_run(entry);
    if (argc > 1)
        fprintf(stderr, "%s: no such script\n", argv[1]);
    return argc > 1 ? 2 : 0;
}
