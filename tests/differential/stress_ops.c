/* stress_ops.c - the operations, drawn at random */
#include "stress.h"

#include <errno.h>
#include <string.h>

enum { MAGIC = 0x0b0c5e11 };

struct shared shared[SHARED];
pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
struct node *nodes;
pthread_mutex_t nodes_lock = PTHREAD_MUTEX_INITIALIZER;

/* Dropping may kill, and a kill must not lose what is on its way. */
void let_go(struct greenlet *g)
{
    struct sent before = self->sent;

    if (g != NULL)
        greenlet_unref(g);
    self->sent = before;
}

/* ---- bodies ---- */

static bool is_dying(void)
{
    const struct node *node = node_of(greenlet_current());

    return node != NULL && node->dies;
}

/* Its body runs; not so one that looks for the parent that gets its result. */
static bool is_working(void)
{
    const struct node *node = node_of(greenlet_current());

    return node == NULL || (node->begun && !node->ended && !node->dies);
}

static int finish(struct node *node, void **result)
{
    CHECK(node->dies || self->sent.held == NULL);
    node->ended = true;
    if (node->dies) /* nobody waits for what a kill leaves behind */
        return 0;
    if (chance(20))
        return raise_record();
    self->sent = (struct sent){.what = PLAIN, .plain = ++self->number};
    *result = (void *)self->sent.plain;
    return 0;
}

static int run(void *value, void **result)
{
    struct node *node = node_of(greenlet_current());
    size_t steps = below(12);

    CHECK(!node->begun && !node->ended);
    node->begun = true;
    arrived(0, value);
    while (steps-- > 0 && !node->dies && !self->closing)
        operate();
    return finish(node, result);
}

static void closure_free(void *closure)
{
    CHECK(*(uint64_t *)closure == MAGIC);
    *(uint64_t *)closure = 0;
    count(&live.closures, -1);
    free(closure);
}

static struct greenlet_callable make_callable(void)
{
    uint64_t *closure = malloc(sizeof *closure);

    CHECK(closure != NULL);
    *closure = MAGIC;
    count(&live.closures, 1);
    return (struct greenlet_callable){run, closure, closure_free};
}

/* ---- types: hooks and finalizers ---- */

/* May switch anywhere, into g too; a thread that will be left with suspended
 * greenlets must not, since a message would be lost on such a stack. */
static int resolve(struct greenlet *g, struct greenlet_callable *callable)
{
    struct sent before = self->sent;

    (void)callable;
    if (self->abandons || self->closing || self->depth > 2 || !is_working())
        return 0;
    self->depth++;
    if (chance(30) && !greenlet_started(g))
        send_plain(g);
    else
        operate();
    self->depth--;
    if (is_dying()) { /* what is on its way now is the killer's */
        let_go(before.held);
        return -ECANCELED;
    }
    self->sent = before;
    return 0;
}

static void finalize(struct greenlet *g)
{
    struct node *node = node_of(g);

    if (node->finalized || self == NULL || node->owner != self->id)
        return;
    node->finalized = true;
    if (!self->closing && chance(50)) { /* it lives on */
        struct greenlet **slot = &self->slots[below(SLOTS)];

        if (*slot == NULL)
            *slot = greenlet_ref(g);
    }
}

static void node_free(void *memory)
{
    struct node *node = memory;

    CHECK(node->magic == MAGIC);
    node->magic = 0;
    pthread_mutex_lock(&nodes_lock);
    *node->link = node->next;
    if (node->next != NULL)
        node->next->link = node->link;
    pthread_mutex_unlock(&nodes_lock);
    count(&live.nodes, -1);
    free(node);
}

static void give_node(struct greenlet *g)
{
    struct node *node = calloc(1, sizeof *node);

    CHECK(node != NULL);
    *node = (struct node){.magic = MAGIC, .owner = self->id, .g = g};
    count(&live.nodes, 1);
    pthread_mutex_lock(&nodes_lock);
    node->next = nodes;
    node->link = &nodes;
    if (nodes != NULL)
        nodes->link = &node->next;
    nodes = node;
    pthread_mutex_unlock(&nodes_lock);
    greenlet_set_userdata(g, node, node_free);
}

void make_one(struct greenlet **slot)
{
    static const struct greenlet_type types[] = {
        {"hook", resolve, NULL},
        {"finalizer", NULL, finalize},
        {"both", resolve, finalize},
    };
    struct greenlet_callable callable = make_callable();
    struct greenlet *parent = chance(40) ? self->slots[below(SLOTS)] : NULL;
    struct greenlet *g, *old;
    struct sent before = self->sent;

    if (parent != NULL)
        greenlet_ref(parent); /* making one may kill and so drop */
    g = greenlet_new_of(chance(30) ? &types[below(3)] : NULL, &callable, parent,
                        16384 * 2);
    CHECK(g != NULL);
    give_node(g);
    self->sent = before;
    old = *slot;
    *slot = g;
    let_go(parent);
    let_go(old);
}

/* ---- operations on this thread's own ---- */

/* Borrowed, and good until greenlet_current() is called again: that may kill what
 * other threads dropped, and so run what gives up a slot. */
static struct greenlet *pick(void)
{
    switch (below(10)) {
    case 0:
        return self->main;
    case 1:
        return greenlet_current();
    case 2:
    case 3:
        return greenlet_parent(greenlet_current());
    default:
        return self->slots[below(SLOTS)];
    }
}

/* The same to keep, with let_go(); NULL too. */
static struct greenlet *pick_held(void)
{
    struct greenlet *g = pick();

    return g != NULL ? greenlet_ref(g) : NULL;
}

static void op_send(void)
{
    bool dying = is_dying();
    struct greenlet *g = pick();

    if (g == NULL || dying)
        return;
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        send_plain(g);
        break;
    case 3:
    case 4:
    case 5:
        send_message(g);
        break;
    default:
        send_record(g);
    }
}

void drop_one(void)
{
    struct greenlet **slot = &self->slots[below(SLOTS)], *g = *slot;

    *slot = NULL;
    let_go(g);
}

static void op_parent(void)
{
    struct greenlet *g = pick_held(), *parent = pick_held();
    struct greenlet_exception record = {0};
    struct sent before = self->sent;
    int rc;

    if (g == NULL) {
        let_go(parent);
        return;
    }
    rc = greenlet_set_parent(g, parent);
    CHECK(rc == 0 || rc == -ELOOP || rc == -EPERM || rc == -EINVAL);
    if (rc < 0) {
        CHECK(greenlet_caught(&record));
        greenlet_exception_clear(&record);
    }
    self->sent = before;
    let_go(g);
    let_go(parent);
}

static void op_run(void)
{
    struct greenlet *g = pick_held();
    struct greenlet_callable callable;
    struct greenlet_exception record = {0};
    int rc;

    if (g == NULL)
        return;
    callable = make_callable();
    rc = greenlet_set_run(g, &callable);
    CHECK(rc == 0 || rc == -EBUSY || rc == -EPERM);
    CHECK((rc == 0) == (!greenlet_started(g)));
    if (rc < 0) {
        CHECK(greenlet_caught(&record));
        greenlet_exception_clear(&record);
    }
    let_go(g);
}

static int tracer(enum greenlet_event event, struct greenlet *origin,
                  struct greenlet *target, void *data)
{
    const struct node *from = node_of(origin);

    CHECK(target == greenlet_current());
    CHECK(data == self);
    node_of(target);
    if (event == GREENLET_THREW || (from != NULL && from->dies))
        return 0; /* a kill, or its end: see arrived() */
    if (self->sent.what == NOTHING || !chance(2))
        return 0;
    return raise_record(); /* in place of what was sent */
}

static void op_trace(void)
{
    void *data = NULL;
    greenlet_tracer *old =
        greenlet_settrace(chance(50) ? tracer : NULL, self, &data);

    CHECK(old == NULL || (old == tracer && data == self));
}

static void op_weak(void)
{
    struct greenlet *g = pick_held(), *again;
    struct greenlet_weak *weak;

    if (g == NULL)
        return;
    weak = greenlet_weak_new(g);
    CHECK(weak != NULL);
    again = greenlet_weak_get(weak);
    CHECK(again == g);
    let_go(again);
    let_go(g); /* may be the last: the handle is of a greenlet that is gone */
    greenlet_weak_free(weak);
}

static void op_value(void)
{
    struct greenlet_var *var = vars[below(4)];
    struct greenlet_token *token = NULL;
    void *value = value_new(), *now = NULL;

    CHECK(greenlet_var_set(var, value, &token) == 0);
    CHECK(greenlet_var_get(var, &now) == 0 && now == value);
    if (chance(50))
        CHECK(greenlet_var_reset(var, token) == 0);
    else
        greenlet_token_free(token);
}

static void op_context(void)
{
    struct greenlet *from = pick_held(), *to = pick_held();
    struct greenlet_context *context = NULL, *copy;

    if (from == NULL || to == NULL) {
        let_go(from);
        let_go(to);
        return;
    }
    CHECK(greenlet_get_context(from, &context) == 0);
    if (chance(50) && context != NULL) {
        copy = greenlet_context_copy(context);
        greenlet_context_unref(context);
        context = copy;
    }
    CHECK(greenlet_set_context(to, context) == 0);
    if (context != NULL)
        greenlet_context_unref(context);
    let_go(from);
    let_go(to);
}

static void op_look(void)
{
    struct greenlet *g = pick_held(), *up;
    const struct node *node;
    int length = 0;

    if (g == NULL)
        return;
    CHECK(greenlet_active(g) == (greenlet_started(g) && !greenlet_dead(g)));
    node = node_of(g);
    if (node != NULL && node->begun && !node->ended)
        CHECK(greenlet_active(g));
    CHECK(greenlet_active(greenlet_current()));
    for (up = g; !greenlet_main(up); up = greenlet_parent(up))
        CHECK(++length < 100000);
    CHECK(up == self->main);
    let_go(g);
}

/* ---- operations on what threads share ---- */

/* Puts g there, and drops what was there. */
void share(size_t at, struct greenlet *g)
{
    struct greenlet *old;

    pthread_mutex_lock(&shared_lock);
    old = shared[at].g;
    shared[at] = (struct shared){g, self->id};
    pthread_mutex_unlock(&shared_lock);
    let_go(old);
}

static void op_publish(void)
{
    struct greenlet *mine = self->slots[below(SLOTS)];

    if (mine != NULL)
        greenlet_ref(mine);
    share(below(SHARED), mine);
}

static void op_foreign(void)
{
    struct shared one;

    pthread_mutex_lock(&shared_lock);
    one = shared[below(SHARED)];
    if (one.g != NULL)
        greenlet_ref(one.g);
    pthread_mutex_unlock(&shared_lock);
    if (one.g == NULL)
        return;
    if (one.owner != self->id) {
        (void)greenlet_dead(one.g);
        (void)greenlet_started(one.g);
        send_foreign(one.g);
    }
    let_go(one.g);
}

void operate(void)
{
    static void (*const operations[])(void) = {
        op_send,    op_send, op_send,  op_send,    op_send,
        op_send,    op_send, op_send,  drop_one,   drop_one,
        op_parent,  op_run,  op_trace, op_weak,    op_value,
        op_context, op_look, op_look,  op_publish, op_foreign,
    };
    enum { COUNT = sizeof operations / sizeof *operations };
    size_t at = below(COUNT + 4);

    if (self->ops-- <= 0)
        self->closing = true;
    if (self->closing)
        return;
    if (at >= COUNT)
        make_one(&self->slots[below(SLOTS)]);
    else
        operations[at]();
}
