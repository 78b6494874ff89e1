/* stress.c - random operations on many threads, checked against a model
 *
 * usage: stress [--ops N] [--threads T] [--seed S] [--seeds K]
 *
 * N operations in all, shared among K seeds from S on.  Each thread lives several
 * lives: of every two the first drops what it has made, the second exits with
 * greenlets suspended and leaves its references to the others.  In the end
 * nothing may be left. */
#include "stress.h"

#include <string.h>
#include <unistd.h>

enum { LIVES = 4 };

struct worker {
    pthread_t thread;
    uint64_t seed;
    long ops;
};

static struct greenlet *find_suspended(void)
{
    struct greenlet *found = NULL;

    pthread_mutex_lock(&nodes_lock);
    for (struct node *node = nodes; node != NULL && found == NULL;
         node = node->next)
        if (node->owner == self->id && node->begun && !node->ended)
            found = greenlet_ref(node->g);
    pthread_mutex_unlock(&nodes_lock);
    return found;
}

/* A hook's stack holds who is being started, and that may be a child of who is
 * suspended there: a circle, which is to be broken by hand (G-107). */
static void break_circles(void)
{
    struct greenlet *g;

    while ((g = find_suspended()) != NULL) {
        send_record(g);
        let_go(g);
    }
}

static void drop_all(void)
{
    /* What a finalizer keeps comes into a slot again. */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SLOTS; i++) {
            struct greenlet *g = self->slots[i];

            self->slots[i] = NULL;
            let_go(g);
        }
    }
}

/* References that outlive their thread: somebody else drops them. */
static void leave_all(void)
{
    for (int i = 0; i < SLOTS; i++) {
        struct greenlet *g = self->slots[i];

        self->slots[i] = NULL;
        if (g != NULL)
            share((size_t)i % SHARED, g);
    }
}

static void *live_once(void *arg)
{
    static long lives;
    const struct worker *worker = arg;
    struct thread thread = {
        .random = worker->seed,
        .ops = worker->ops,
        .id = __atomic_add_fetch(&lives, 1, __ATOMIC_RELAXED)};

    self = &thread;
    thread.abandons = worker->seed & 1;
    thread.main = greenlet_current();
    while (!thread.closing)
        operate();
    greenlet_settrace(NULL, NULL, NULL);
    if (thread.abandons)
        leave_all();
    else
        drop_all();
    if (!thread.abandons)
        break_circles();
    self = NULL;
    return NULL;
}

static void live_all(struct worker *workers, int threads, long ops,
                     uint64_t seed)
{
    for (uint64_t life = 0; life < LIVES; life++) {
        for (int i = 0; i < threads; i++) {
            workers[i].seed =
                ((seed * 1000003 + (uint64_t)i * 8191 + life) << 1) |
                (life & 1);
            workers[i].ops = ops / threads / LIVES;
            CHECK(pthread_create(&workers[i].thread, NULL, live_once,
                                 &workers[i]) == 0);
        }
        for (int i = 0; i < threads; i++)
            CHECK(pthread_join(workers[i].thread, NULL) == 0);
    }
}

static void drop_shared(void)
{
    struct thread thread = {.closing = true};

    self = &thread;
    for (size_t i = 0; i < SHARED; i++)
        share(i, NULL);
    self = NULL;
}

static int verdict(long ops, int threads)
{
    struct greenlet_counts counts;
    int left;

    greenlet_count(&counts);
    printf("%ld operations on %d threads; left: %zu greenlets, %zu mains, "
           "%zu pending, %zu contexts, %zu messages; %ld boxes, %ld records, "
           "%ld closures, %ld nodes, %ld values\n",
           ops, threads, counts.greenlets, counts.mains, counts.pending,
           counts.contexts, counts.messages, live.boxes, live.records,
           live.closures, live.nodes, live.values);
    left =
        counts.greenlets + counts.pending + counts.contexts + counts.messages !=
            0 ||
        counts.mains != 1;
    return left || live.boxes != 0 || live.records != 0 || live.closures != 0 ||
           live.nodes != 0 || live.values != 0;
}

static long number(int argc, char **argv, const char *name, long otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0)
            return strtol(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    long ops = number(argc, argv, "--ops", 100000);
    int threads = (int)number(argc, argv, "--threads", 2);
    uint64_t seed = (uint64_t)number(argc, argv, "--seed", 1);
    long seeds = number(argc, argv, "--seeds", 1);
    struct worker *workers;

    CHECK(threads > 0 && seeds > 0);
    (void)greenlet_current();
    for (int i = 0; i < 4; i++)
        vars[i] = greenlet_var_new("v", value_free);
    workers = calloc((size_t)threads, sizeof *workers);
    CHECK(workers != NULL);
    for (long i = 0; i < seeds; i++) {
        printf("seed %llu\n", (unsigned long long)seed + (unsigned long long)i);
        fflush(stdout);
        live_all(workers, threads, ops / seeds, seed + (uint64_t)i);
        drop_shared();
    }
    free(workers);
    for (int i = 0; i < 4; i++)
        greenlet_var_unref(vars[i]);
    return verdict(ops, threads);
}
