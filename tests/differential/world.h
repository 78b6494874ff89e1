/* world.h - what the files of the C interpreter share
 *
 * One script runs at a time: `world` is its state.  Nothing here may keep a
 * reference to a greenlet longer than interp.py does: a last one that goes
 * kills, and that is in the log. */
#ifndef DIFFERENTIAL_WORLD_H
#define DIFFERENTIAL_WORLD_H

#include "script.h"

#include "context/contextvar.h"
#include "context/greenlet.h"
#include "context/inspect.h"

enum { CALLBACK_DEPTH = 4, MAX_NAMED = 64, MAX_POISONED = 32 };

/* A greenlet that was made, known without being kept: g is NULL once it has
 * been freed. */
struct entry {
    struct entry *next;
    struct greenlet *g;
    const char *hook, *fin; /* bodies; NULL: none */
    int depth;              /* of callbacks that run in it */
    bool runs;              /* its body, now */
    bool begun, unable, finalized;
    char label[MAX_NAME + 8];
    char shown[2 * MAX_NAME + 24];
};

/* Things that a script has names for. */
struct named {
    char name[MAX_NAME];
    void *item; /* NULL: nothing has that name now */
};

/* What is alive of what the interpreter itself made; zero in the end. */
struct live {
    long boxes, payloads, closures, values;
};

struct world {
    const struct script *script;
    struct named slots[MAX_NAMED], weaks[MAX_NAMED], tokens[MAX_NAMED],
        contexts[MAX_NAMED], used[MAX_NAMED];
    struct greenlet_context *poisoned[MAX_POISONED];
    int poisoned_count;
    struct entry *entries, **entries_end;
    struct entry main_entry;
    struct greenlet *main;
    struct greenlet_var *vars[3]; /* x y z */
    long steps;
    bool dry; /* operations do nothing any more */
};
extern struct world *world;
extern struct live live;

/* How a list of operations ended. */
enum outcome { WENT_ON, RETURNED, RAISED };
struct status {
    enum outcome outcome;
    void *value;                      /* RETURNED: see say_value() */
    struct greenlet_exception raised; /* RAISED: ours to clear */
};

/* ---- log.c: the event log, kept until the script has ended */
extern bool log_unbuffered;
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line that begins with who runs; add to it; end it. */
void event(const char *format, ...) __attribute__((format(printf, 1, 2)));
void event_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void event_add(const char *format, ...) __attribute__((format(printf, 1, 2)));
void event_end(void);
void log_flush(void);

/* ---- values.c */
extern const struct greenlet_class exit2_class, err_class, err2_class,
    base_class;
/* NULL: no class of that name. */
const struct greenlet_class *class_named(const char *name);
void add_exception(const struct greenlet_exception *exception);
struct greenlet_exception make_exception(const struct greenlet_class *cls,
                                         const char *number);
/* A plain pointer that stands for a number; NULL is None. */
void *plain(const char *word);
void add_plain(const void *value);
/* From words like 1, none, k=2; NULL for none at all. */
struct greenlet_message *make_message(char *const words[], int count);
/* What came with the last switch of this greenlet, or what it was started with:
 * printed and freed. */
void add_arrival(void *value);
/* What the last call failed by. */
struct greenlet_exception take_caught(void);
/* Values of context variables. */
void *value_new(const char *word);
long value_of(const void *value);
void value_free(void *value);

/* ---- world.c: who is who, states, making */
void world_open(const struct script *script);
/* Says what is alive; frees the rest. */
void world_close(void);
struct entry *entry_of(const struct greenlet *g);
const char *label_of(const struct greenlet *g);
void **named(struct named *table, const char *name, bool make);
/* Borrowed; NULL: there is none. */
struct greenlet *find(const char *word, struct greenlet *it);
struct greenlet *make_greenlet(const struct node *node, struct greenlet *it);
/* true and *callable for `-`, `!`, or the name of a body. */
struct greenlet_callable make_callable(const char *body, const char *on_del);
const char *callable_name(const struct greenlet_callable *callable);
const char *option(const struct node *node, const char *name);
void snapshot(void);
void drop_slots(bool aloud);

/* ---- execute.c: running operations */
struct status run_nodes(const struct node *node, struct greenlet *it);
struct status run_node(const struct node *node, struct greenlet *it);
/* A body of the script as a callback in the greenlet that runs. */
struct status enter(const char *body, struct greenlet *it);
bool caught(struct status *status, const struct greenlet_class *cls);
greenlet_run run_body;
greenlet_tracer trace_body;
int resolve_hook(struct greenlet *g, struct greenlet_callable *run);
void finalize_hook(struct greenlet *g);
void delete_hook(const char *name, const char *body);
void sweep(void);

/* ---- ops.c, context_ops.c */
typedef struct status operation(const struct node *node, struct greenlet *it);
operation *operation_named(const char *name);
operation *context_operation_named(const char *name);
struct status went_on(void);
struct status skip(void);
/* Say how a switch or a throw ended. */
struct status switched(int rc, void *value);

#endif
