/* group.c - groups of greenlets, with a limit or without
 *
 * A member is told of the end of its greenlet on the stack where that ends, and
 * gives its place to who waits for it there and then. */
#include "hub/pool_impl.h"

#include "context/testhook.h"
#include "hub/schedule.h"

#include <errno.h>
#include <stdlib.h>

struct hub__empty_wait {
    struct hub__waiter waiter;
    struct hub__empty_wait *next;
};

static const struct hub__wait_kind waits_for_place = { "a place in pool",
                                                       NULL };
static const struct hub__wait_kind waits_for_empty = { "an empty group", NULL };

int hub__group_check(const struct hub_group *group)
{
    if (likely(group->owner == greenlet__word))
        return 0;
    return hub__not_yours(group->owner, "the group");
}

/* ---- making ---- */

static struct hub_group *make(bool limited, size_t size)
{
    struct hub *hub = hub__get();
    struct hub_group *group =
        hub != NULL ? greenlet__calloc(1, sizeof *group) : NULL;

    if (group == NULL)
        return NULL;
    group->hub = hub;
    group->owner = greenlet__word;
    group->users = 1;
    group->limited = limited;
    group->last = &group->first;
    hub__permits_init(&group->places, size, &waits_for_place, group);
    return group;
}

struct hub_group *hub_group_new(void)
{
    return make(false, SIZE_MAX);
}

struct hub_group *hub_pool_new(size_t size)
{
    return make(true, size);
}

void hub__group_release(struct hub_group *group)
{
    if (--group->users == 0)
        free(group);
}

/* ---- members ---- */

static struct hub__member *find(const struct hub_group *group,
                                const struct greenlet *g)
{
    struct hub__member *member = group->first;

    while (member != NULL && member->g != g)
        member = member->next;
    return member;
}

static void tell_empty(struct hub_group *group)
{
    struct hub__empty_wait *wait;

    while ((wait = group->joiners) != NULL) {
        group->joiners = wait->next;
        hub__wake(&wait->waiter, 0);
    }
}

static void take_out(struct hub__member *member)
{
    struct hub_group *group = member->group;

    *member->back = member->next;
    if (member->next != NULL)
        member->next->back = member->back;
    else
        group->last = member->back;
    group->count--;
    if (group->limited)
        hub__permits_give(&group->places);
    if (group->count == 0)
        tell_empty(group);
}

static void note_failure(struct hub_group *group, const struct greenlet *g)
{
    const struct greenlet_exception *record = hub_exception(g);

    if (hub_successful(g) || group->failure.cls != NULL)
        return;
    group->failure = (struct greenlet_exception){
        .cls = record != NULL ? record->cls : &greenlet_error_class,
        .error = hub__rc(g)
    };
}

void hub__member_ended(struct hub__link *link)
{
    struct hub__member *member = container_of(link, struct hub__member, link);
    struct greenlet *g = member->g;

    note_failure(member->group, g);
    take_out(member);
    free(member);
    greenlet_unref(g); /* not the last: it is still on its stack */
}

static void enter(struct hub_group *group, struct hub__member *member,
                  struct greenlet *g)
{
    *member = (struct hub__member){ .link.notify = hub__member_ended,
                                    .group = group,
                                    .g = greenlet_ref(g),
                                    .back = group->last };
    *group->last = member;
    group->last = &member->next;
    group->count++;
    hub__end_link(g, &member->link);
}

/* Nothing is to be done with its end any more. */
static void leave(struct hub__member *member)
{
    struct greenlet *g = member->g;

    hub__end_unlink(g, &member->link);
    take_out(member);
    free(member);
    greenlet_unref(g);
}

void hub_group_free(struct hub_group *group)
{
    if (group == NULL)
        return;
    group->closed = true;
    while (group->first != NULL)
        leave(group->first);
    while (group->places.first != NULL) /* each is told, and has no place */
        hub__permits_give(&group->places);
    hub__group_release(group);
}

/* ---- adding ---- */

/* Its own deadline is no error of a wait: the pool is full. */
int hub__group_place(struct hub_group *group, int64_t deadline_ns)
{
    int rc = hub__group_check(group);

    if (rc == 0 && group->closed)
        rc = -ECANCELED;
    if (rc < 0 || !group->limited)
        return rc;
    group->users++;
    rc = hub__permits_take(&group->places, deadline_ns);
    if (group->closed && rc == 0)
        rc = -ECANCELED;
    hub__group_release(group);
    if (rc == -ETIMEDOUT && hub_canceled() == 0)
        rc = -EAGAIN;
    return rc;
}

void hub__group_give_back(struct hub_group *group)
{
    if (group->limited)
        hub__permits_give(&group->places);
}

int hub__group_run(struct hub_group *group, greenlet_run *run, void *arg,
                   struct greenlet **out, uint16_t flags)
{
    struct hub__member *member = greenlet__malloc(sizeof *member);
    struct greenlet *g =
        member != NULL ? hub_greenlet_new(run, arg, 0) : NULL;

    if (g == NULL) {
        free(member);
        hub__group_give_back(group);
        return run == NULL ? -EINVAL : -ENOMEM;
    }
    hub__own(g)->flags |= flags;
    enter(group, member, g);
    hub_start(g);
    *out = g;
    return 0;
}

int hub_group_spawn(struct hub_group *group, greenlet_run *run, void *arg,
                    int64_t deadline_ns, struct greenlet **out)
{
    struct greenlet *g;
    int rc;

    if (run == NULL)
        return -EINVAL;
    rc = hub__group_place(group, deadline_ns);
    if (rc == 0)
        rc = hub__group_run(group, run, arg, &g, 0);
    if (rc < 0)
        return rc;
    if (out != NULL)
        *out = g;
    else
        greenlet_unref(g);
    return 0;
}

int hub_group_add(struct hub_group *group, struct greenlet *g,
                  int64_t deadline_ns)
{
    struct hub__member *member;
    int rc = hub__check_owner(g);

    if (rc == 0)
        rc = hub__group_check(group);
    if (rc < 0 || hub_ready(g) || find(group, g) != NULL)
        return rc;
    rc = hub__group_place(group, deadline_ns);
    if (rc < 0)
        return rc;
    member = greenlet__malloc(sizeof *member);
    if (member == NULL || hub_ready(g) || find(group, g) != NULL) {
        rc = member == NULL ? -ENOMEM : 0;
        free(member);
        hub__group_give_back(group);
        return rc;
    }
    enter(group, member, g);
    return 0;
}

int hub_group_start(struct hub_group *group, struct greenlet *g,
                    int64_t deadline_ns)
{
    int rc = hub_group_add(group, g, deadline_ns);

    return rc < 0 ? rc : hub_start(g);
}

int hub_group_discard(struct hub_group *group, struct greenlet *g)
{
    struct hub__member *member;
    int rc = hub__group_check(group);

    if (rc < 0)
        return rc;
    member = find(group, g);
    if (member == NULL)
        return -ENOENT;
    leave(member);
    return 0;
}

/* ---- looking ---- */

size_t hub_group_count(const struct hub_group *group)
{
    return group->count;
}

bool hub_group_contains(const struct hub_group *group, const struct greenlet *g)
{
    return find(group, g) != NULL;
}

int hub_group_each(const struct hub_group *group,
                   int (*each)(struct greenlet *g, void *data), void *data)
{
    int rc = 0;

    for (struct hub__member *member = group->first; member != NULL && rc == 0;
         member = member->next)
        rc = each(member->g, data);
    return rc;
}

size_t hub_group_free_count(const struct hub_group *group)
{
    return group->places.free;
}

bool hub_group_full(const struct hub_group *group)
{
    return group->limited && group->places.free == 0;
}

int hub_group_wait_available(struct hub_group *group, int64_t deadline_ns)
{
    int rc = hub__group_check(group);

    if (rc < 0 || !group->limited)
        return rc;
    group->users++;
    rc = hub__permits_wait(&group->places, deadline_ns);
    if (group->closed && rc == 0)
        rc = -ECANCELED;
    hub__group_release(group);
    return rc;
}

/* ---- join and kill ---- */

static void unlink_joiner(struct hub_group *group, struct hub__empty_wait *wait)
{
    struct hub__empty_wait **at = &group->joiners;

    while (*at != NULL && *at != wait)
        at = &(*at)->next;
    if (*at != NULL)
        *at = wait->next;
}

static int wait_empty(struct hub_group *group, int64_t deadline_ns)
{
    struct hub__empty_wait wait = { .next = NULL }, **at = &group->joiners;
    int rc;

    if (group->count == 0)
        return 0;
    rc = hub__waiter_begin(&wait.waiter, &waits_for_empty, group);
    if (rc < 0)
        return rc;
    while (*at != NULL)
        at = &(*at)->next;
    *at = &wait;
    rc = hub__park_cancelable(&wait.waiter, deadline_ns);
    unlink_joiner(group, &wait);
    return rc;
}

int hub_group_join(struct hub_group *group, int64_t deadline_ns, unsigned flags)
{
    struct greenlet_exception failure = { 0 };
    int rc = hub__group_check(group);

    if (rc < 0)
        return rc;
    group->users++;
    rc = wait_empty(group, deadline_ns);
    if (rc == 0 && (flags & HUB_JOIN_RAISE)) {
        failure = group->failure;
        group->failure.cls = NULL;
    }
    hub__group_release(group);
    return failure.cls != NULL ? greenlet_raise(&failure) : rc;
}

/* Copies of the references, so that the group may change meanwhile. */
static struct greenlet **list_of(const struct hub_group *group, size_t *count)
{
    struct greenlet **list =
        greenlet__calloc(group->count, sizeof(struct greenlet *));
    size_t n = 0;

    for (struct hub__member *member = group->first;
         list != NULL && member != NULL; member = member->next)
        list[n++] = greenlet_ref(member->g);
    *count = n;
    return list;
}

static int kill_members(struct hub_group *group,
                        const struct greenlet_exception *exception,
                        int64_t deadline_ns)
{
    size_t count;
    struct greenlet **list = list_of(group, &count);
    int rc = list != NULL ? hub_killall(list, count, exception, deadline_ns)
                          : -ENOMEM;

    for (size_t i = 0; i < count; i++)
        greenlet_unref(list[i]);
    free(list);
    return rc;
}

int hub_group_kill(struct hub_group *group,
                   const struct greenlet_exception *exception,
                   int64_t deadline_ns)
{
    size_t left;
    int rc = hub__group_check(group);

    if (rc < 0)
        return rc;
    group->users++;
    do {
        left = hub_group_contains(group, greenlet_current()) ? 1 : 0;
        if (group->count > 0)
            rc = kill_members(group, exception, deadline_ns);
    } while (rc == 0 && group->count > left);
    hub__group_release(group);
    return rc == -ETIMEDOUT ? hub_canceled() : rc;
}
