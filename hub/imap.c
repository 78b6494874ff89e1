/* imap.c - calls of a group, and their results one by one
 *
 * A greenlet takes items from the source and starts a call for each.  What
 * is to be read is counted in `unread`; the end is one more of them, which
 * whoever takes it gives back, so that all who read see it. */
#include "context/testhook.h"
#include "hub/pool_impl.h"

#include <errno.h>
#include <stdlib.h>

struct job {
    struct hub__link link; /* told of the end */
    struct job *next;
    struct hub_imap *imap;
    struct greenlet *g; /* counted */
    bool done;
};

struct hub_imap {
    struct hub_imap_options options;
    size_t users; /* the program, the feeder, calls under way */
    struct hub_group *group;
    struct greenlet *feeder;
    struct hub__link feeder_link;
    struct hub__permits room, unread;
    /* In the order in which they are to be read.  Unordered, those under way
     * are in no list. */
    struct job *first, **last;
    struct job *told; /* ordered: the first that `unread` does not count yet */
    int error;        /* what the source ended with; 0: with its end */
    bool fed, over, closed, failed;
    size_t under_way;
};

static const struct hub__wait_kind waits_for_result = { "a result of imap",
                                                        NULL };
static const struct hub__wait_kind waits_for_room = {
    "results of imap being read", NULL
};

static void release(struct hub_imap *imap)
{
    if (--imap->users > 0)
        return;
    hub__group_release(imap->group);
    free(imap);
}

/* Nobody reads it. */
static void drop_job(struct job *job)
{
    struct hub_imap *imap = job->imap;
    struct greenlet *g = job->g;

    if (hub__rc(g) < 0 && hub_exception(g) != NULL)
        hub__handle_error(hub__peek(), g, hub_exception(g));
    else if (imap->options.drop != NULL && *hub__result(g) != NULL)
        imap->options.drop(*hub__result(g));
    greenlet_unref(g);
    free(job);
}

static void append(struct hub_imap *imap, struct job *job)
{
    job->next = NULL;
    *imap->last = job;
    imap->last = &job->next;
    if (imap->told == NULL)
        imap->told = job;
}

/* Everything that can be read now is counted, and then the end. */
static void tell(struct hub_imap *imap)
{
    while (imap->told != NULL && imap->told->done) {
        imap->told = imap->told->next;
        hub__permits_give(&imap->unread);
    }
    if (imap->fed && imap->under_way == 0 && !imap->over) {
        imap->over = true;
        hub__permits_give(&imap->unread);
    }
}

void hub__job_ended(struct hub__link *link)
{
    struct job *job = container_of(link, struct job, link);
    struct hub_imap *imap = job->imap;

    job->done = true;
    imap->under_way--;
    if (imap->closed) {
        drop_job(job);
    } else {
        if (imap->options.unordered)
            append(imap, job);
        tell(imap);
    }
    release(imap);
}

static int start_job(struct hub_imap *imap, void *item)
{
    struct job *job = greenlet__malloc(sizeof *job);
    int rc;

    if (job == NULL)
        return -ENOMEM;
    *job = (struct job){ .link.notify = hub__job_ended, .imap = imap };
    rc = hub__group_place(imap->group, HUB_FOREVER);
    if (rc == 0 && imap->closed) {
        hub__group_give_back(imap->group);
        rc = -ECANCELED;
    }
    if (rc == 0)
        rc = hub__group_run(imap->group, imap->options.run, item, &job->g,
                            HUB__QUIET);
    if (rc < 0) {
        free(job);
        return rc;
    }
    imap->users++;
    imap->under_way++;
    if (!imap->options.unordered)
        append(imap, job);
    hub__end_link(job->g, &job->link);
    return 0;
}

static int feed(void *arg, void **unused)
{
    struct hub_imap *imap = arg;
    int rc = 0;

    (void)unused;
    imap->error = -ECANCELED; /* unless it comes to its end */
    while (rc == 0 && !imap->closed) {
        void *item = NULL;

        rc = imap->options.next(imap->options.data, &item);
        if (rc <= 0)
            break;
        rc = 0;
        if (imap->options.maxsize > 0)
            rc = hub__permits_take(&imap->room, HUB_FOREVER);
        if (rc == 0)
            rc = start_job(imap, item);
    }
    imap->error = rc;
    return 0;
}

void hub__feeder_ended(struct hub__link *link)
{
    struct hub_imap *imap = container_of(link, struct hub_imap, feeder_link);

    if (!(hub__own(imap->feeder)->flags & HUB__BEGUN))
        imap->error = -ECANCELED;
    imap->fed = true;
    if (!imap->closed)
        tell(imap);
    release(imap);
}

static int start_feeder(struct hub_imap *imap)
{
    imap->feeder = hub_greenlet_new(feed, imap, 0);
    if (imap->feeder == NULL)
        return -ENOMEM;
    imap->feeder_link.notify = hub__feeder_ended;
    imap->users++;
    hub__end_link(imap->feeder, &imap->feeder_link);
    return hub_start(imap->feeder);
}

struct hub_imap *hub_group_imap(struct hub_group *group,
                                const struct hub_imap_options *options)
{
    struct hub_imap *imap;

    if (hub__group_check(group) < 0 || options->run == NULL ||
        options->next == NULL)
        return NULL;
    imap = greenlet__calloc(1, sizeof *imap);
    if (imap == NULL)
        return NULL;
    imap->options = *options;
    imap->users = 1;
    imap->group = group;
    imap->last = &imap->first;
    hub__permits_init(&imap->room, options->maxsize, &waits_for_room, imap);
    hub__permits_init(&imap->unread, 0, &waits_for_result, imap);
    group->users++;
    if (start_feeder(imap) < 0) {
        release(imap);
        return NULL;
    }
    return imap;
}

static struct job *take_job(struct hub_imap *imap)
{
    struct job *job = imap->first;

    if (job == NULL)
        return NULL;
    imap->first = job->next;
    if (imap->first == NULL)
        imap->last = &imap->first;
    if (imap->options.maxsize > 0)
        hub__permits_give(&imap->room);
    return job;
}

/* The end: the source's error once, and then nothing more for ever. */
static int end_of(struct hub_imap *imap)
{
    int error = imap->error;

    hub__permits_give(&imap->unread);
    imap->error = 0;
    imap->failed = error < 0;
    return error;
}

int hub_imap_next(struct hub_imap *imap, int64_t deadline_ns, void **result)
{
    struct job *job;
    int rc = hub__group_check(imap->group);

    imap->failed = false;
    if (rc == 0)
        rc = hub__permits_take(&imap->unread, deadline_ns);
    if (rc < 0)
        return rc;
    job = take_job(imap);
    if (job == NULL)
        return end_of(imap);
    rc = hub__rc(job->g);
    if (rc < 0) {
        hub__raise_failure(job->g);
        imap->failed = true;
    } else {
        *result = *hub__result(job->g);
    }
    greenlet_unref(job->g);
    free(job);
    return rc < 0 ? rc : 1;
}

bool hub_imap_failed(const struct hub_imap *imap)
{
    return imap->failed;
}

/* Ordered calls under way are in the list: they are dropped when they end. */
void hub_imap_free(struct hub_imap *imap)
{
    struct job *job, *next;

    if (imap == NULL)
        return;
    imap->closed = true;
    hub_kill(imap->feeder);
    greenlet_unref(imap->feeder);
    for (job = imap->first; job != NULL; job = next) {
        next = job->next;
        if (job->done)
            drop_job(job);
    }
    imap->first = NULL;
    release(imap);
}

/* ---- calls that wait for their results ---- */

int hub_group_apply(struct hub_group *group, greenlet_run *run, void *arg,
                    int64_t deadline_ns, void **result)
{
    struct greenlet *g;
    void *value = NULL;
    int rc;

    if (run == NULL)
        return -EINVAL;
    rc = hub__group_check(group);
    if (rc < 0)
        return rc;
    if (hub_group_contains(group, greenlet_current())) {
        rc = run(arg, &value);
    } else {
        rc = hub__group_place(group, deadline_ns);
        if (rc == 0)
            rc = hub__group_run(group, run, arg, &g, HUB__QUIET);
        if (rc < 0)
            return rc;
        rc = hub_join(g, deadline_ns);
        if (rc == 0 && (rc = hub__rc(g)) < 0)
            hub__raise_failure(g);
        else if (rc == 0)
            value = *hub__result(g);
        greenlet_unref(g);
    }
    if (rc == 0 && result != NULL)
        *result = value;
    return rc;
}

struct array {
    void *const *items;
    size_t n;
};

static int next_of_array(void *data, void **item)
{
    struct array *array = data;

    if (array->n == 0)
        return 0;
    array->n--;
    *item = *array->items++;
    return 1;
}

static int map_on(struct hub_imap *imap, size_t n, int64_t deadline_ns,
                  void **results)
{
    int rc = 1;

    for (size_t i = 0; i < n && rc > 0; i++)
        rc = hub_imap_next(imap, deadline_ns, &results[i]);
    return rc < 0 ? rc : 0;
}

/* The feeder, killed, asks for no more items, so they may be a local. */
int hub_group_map(struct hub_group *group, greenlet_run *run,
                  void *const *items, size_t n, int64_t deadline_ns,
                  void **results, void (*drop)(void *result))
{
    struct array array = { items, n };
    const struct hub_imap_options options = {
        .run = run, .next = next_of_array, .data = &array, .drop = drop
    };
    struct hub_imap *imap;
    int rc = hub__group_check(group);

    if (rc < 0)
        return rc;
    if (run == NULL)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        results[i] = NULL;
    if (n == 0)
        return 0;
    imap = hub_group_imap(group, &options);
    if (imap == NULL)
        return -ENOMEM;
    rc = map_on(imap, n, deadline_ns, results);
    hub_imap_free(imap);
    return rc;
}
