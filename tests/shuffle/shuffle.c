/* shuffle.c - scenes in a random order, one seed after another
 *
 * usage: shuffle [--seeds A..B] [SCENE...] */
#include "scene.h"

#include <signal.h>

#define STUCK 60 /* seconds for a seed */
#define CAST 512

/* Of libraries that were built with tests. */
extern void hub_test_shuffle(uint64_t seed) __attribute__((weak));

static struct scene *scenes, **last = &scenes;
static struct greenlet *cast[CAST];
static size_t cast_count;
static struct hub_group *group;
static uint64_t seed, numbers;

void scene_register(struct scene *scene)
{
    *last = scene;
    last = &scene->next;
}

unsigned draw(unsigned n)
{
    numbers ^= numbers << 13;
    numbers ^= numbers >> 7;
    numbers ^= numbers << 17;
    return (unsigned)((numbers >> 20) % n);
}

void broken(const char *file, int line, const char *what)
{
    printf("seed %llu: %s:%d: does not hold: %s\n", (unsigned long long)seed,
           file, line, what);
    fflush(stdout);
    _exit(1);
}

static void stuck(int number)
{
    static const char text[] = "stuck: a greenlet runs for ever\n";
    ssize_t put = write(1, text, sizeof text - 1);

    (void)number;
    (void)put;
    _exit(1);
}

struct greenlet *actor(greenlet_run *run, void *arg)
{
    struct greenlet *g = NULL;

    MUST(cast_count < CAST);
    MUST(hub_group_spawn(group, run, arg, HUB_FOREVER, &g) == 0);
    cast[cast_count++] = g;
    return g;
}

static struct greenlet *begun[CAST];
static size_t begun_count;

void may_be_thrown_into(void)
{
    MUST(begun_count < CAST);
    begun[begun_count++] = greenlet_current();
}

static bool may(const struct greenlet *g)
{
    for (size_t i = 0; i < begun_count; i++)
        if (begun[i] == g)
            return !hub_dead(g);
    return false;
}

static void throw_now(void *arg)
{
    static const struct greenlet_class thrown = { "Thrown",
                                                  &greenlet_exception_class,
                                                  THROWN };
    static const struct greenlet_exception record = { .cls = &thrown };

    if (may(arg))
        greenlet_throw(arg, &record, NULL);
}

void throw_into(struct greenlet *g)
{
    MUST(hub_call_soon(throw_now, g) != NULL);
}

int hop(void)
{
    int rc = 0;

    if (draw(16) == 0)
        return hub_sleep(1 + draw(30) * HUB_MICROSECOND);
    for (unsigned i = draw(3); i > 0 && rc == 0; i--)
        rc = hub_sleep(0);
    return rc;
}

int64_t soon(void)
{
    return hub_deadline(draw(2) * draw(40) * HUB_MICROSECOND);
}

void *state_of(size_t size)
{
    void *state = calloc(1, size);

    MUST(state != NULL);
    return state;
}

/* ---- a seed ---- */

static bool is_wanted(const struct scene *scene, char **names)
{
    if (names[0] == NULL)
        return true;
    for (; *names != NULL; names++)
        if (strcmp(*names, scene->name) == 0)
            return true;
    return false;
}

static void play(char **names)
{
    void *states[32];
    const struct scene *playing[32];
    size_t count = 0;
    int rc;

    group = hub_group_new();
    MUST(group != NULL);
    for (const struct scene *scene = scenes; scene != NULL; scene = scene->next)
        if (is_wanted(scene, names)) {
            MUST(count < sizeof states / sizeof *states);
            playing[count] = scene;
            states[count++] = scene->start();
        }
    rc = hub_group_join(group, HUB_FOREVER, 0);
    if (rc < 0)
        printf("seed %llu: %s\n", (unsigned long long)seed, strerror(-rc));
    MUST(rc == 0);
    for (size_t i = 0; i < count; i++)
        playing[i]->check(states[i]);
    MUST(hub_drain(HUB_FOREVER) == 0);
    begun_count = 0;
    while (cast_count > 0)
        greenlet_unref(cast[--cast_count]);
    hub_group_free(group);
}

/* What was thrown into one that had ended by then is nobody's. */
static void ignore(struct hub *hub, const struct greenlet *context,
                   const struct greenlet_exception *exception, void *data)
{
    (void)hub;
    (void)context;
    (void)exception;
    (void)data;
}

/* ---- is it random at all? ---- */

struct place {
    char *log, name;
};

static int signs(void *arg, void **result)
{
    struct place *place = arg;

    (void)result;
    place->log[strlen(place->log)] = place->name;
    return 0;
}

static bool keeps_order(void)
{
    struct place places[8];
    struct greenlet *all[8];
    char log[9] = "";

    for (int i = 0; i < 8; i++) {
        places[i] = (struct place){ log, (char)('a' + i) };
        all[i] = hub_spawn(signs, &places[i]);
        MUST(all[i] != NULL);
    }
    MUST(hub_joinall(all, 8, HUB_FOREVER, 0, 0, NULL) == 8);
    for (int i = 0; i < 8; i++)
        greenlet_unref(all[i]);
    return strcmp(log, "abcdefgh") == 0;
}

static void must_be_random(void)
{
    hub_test_shuffle(1);
    MUST(!keeps_order() || !keeps_order());
    hub_test_shuffle(0);
    MUST(keeps_order());
}

static bool parse(const char *text, unsigned long long *from,
                  unsigned long long *to)
{
    return sscanf(text, "%llu..%llu", from, to) == 2;
}

int main(int argc, char **argv)
{
    unsigned long long from = 1, to = 201;
    int names = 1;

    if (hub_test_shuffle == NULL) {
        puts("skipped: the library was built without tests");
        return 77;
    }
    if (argc > 2 && strcmp(argv[1], "--seeds") == 0) {
        if (!parse(argv[2], &from, &to))
            return 2;
        names = 3;
    }
    signal(SIGALRM, stuck);
    MUST(hub_set_error_handler(ignore, NULL) == 0);
    must_be_random();
    for (seed = from; seed < to; seed++) {
        alarm(STUCK);
        numbers = seed * UINT64_C(0x2545f4914f6cdd1d) | 1;
        hub_test_shuffle(seed + 1);
        play(argv + names);
    }
    alarm(STUCK);
    MUST(hub_destroy() == 0);
    printf("%llu seeds, nothing lost, nobody stuck\n", to - from);
    return 0;
}
