/* world.c - who is who in a script, what state they are in, how they are made
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world *world;
struct live live;

struct closure {
    const char *name, *on_del; /* of the script */
};

/* ---- names ---- */

void **named(struct named *table, const char *name, bool make)
{
    for (int i = 0; i < MAX_NAMED; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i].item;
        if (table[i].name[0] == '\0') {
            if (!make)
                return NULL;
            snprintf(table[i].name, sizeof table[i].name, "%s", name);
            return &table[i].item;
        }
    }
    fprintf(stderr, "more than %d names\n", MAX_NAMED);
    exit(EXIT_FAILURE);
}

struct greenlet *find(const char *word, struct greenlet *it)
{
    void **slot;

    if (word == NULL)
        return NULL;
    if (strcmp(word, "main") == 0)
        return world->main;
    if (strcmp(word, "self") == 0)
        return greenlet_current();
    if (strcmp(word, "up") == 0)
        return greenlet_parent(greenlet_current());
    if (strcmp(word, "it") == 0)
        return it;
    slot = named(world->slots, word, false);
    return slot != NULL ? *slot : NULL;
}

struct entry *entry_of(const struct greenlet *g)
{
    return greenlet_main(g) ? &world->main_entry : greenlet_userdata(g);
}

const char *label_of(const struct greenlet *g)
{
    if (g == NULL)
        return "none";
    return entry_of(g) != NULL ? entry_of(g)->label : "freed";
}

/* ---- making ---- */

/* key=value among the options of an operation. */
const char *option(const struct node *node, const char *name)
{
    size_t length = strlen(name);

    for (int i = 3; i < node->count; i++)
        if (strncmp(node->words[i], name, length) == 0 &&
            node->words[i][length] == '=')
            return node->words[i] + length + 1;
    return NULL;
}

static void end_closure(void *memory)
{
    struct closure closure = *(struct closure *)memory;

    free(memory);
    live.closures--;
    if (closure.on_del != NULL)
        delete_hook(closure.name, closure.on_del);
}

struct greenlet_callable make_callable(const char *body, const char *on_del)
{
    struct greenlet_callable callable = {0};
    struct closure *closure;

    if (strcmp(body, "!") == 0)
        callable.run = greenlet_not_callable;
    if (strcmp(body, "!") == 0 || strcmp(body, "-") == 0)
        return callable;
    closure = malloc(sizeof *closure);
    if (closure == NULL)
        abort();
    *closure = (struct closure){body, on_del};
    live.closures++;
    callable = (struct greenlet_callable){run_body, closure, end_closure};
    return callable;
}

const char *callable_name(const struct greenlet_callable *callable)
{
    if (callable->run != run_body)
        return "!";
    return ((struct closure *)callable->closure)->name;
}

static const struct greenlet_type *type_of(const struct entry *entry)
{
    static const struct greenlet_type hooked = {"hooked", resolve_hook, NULL},
                                      finalized = {"finalized", NULL,
                                                   finalize_hook},
                                      both = {"both", resolve_hook,
                                              finalize_hook};

    if (entry->hook != NULL)
        return entry->fin != NULL ? &both : &hooked;
    return entry->fin != NULL ? &finalized : NULL;
}

/* The end of the greenlet's memory. */
static void on_free(void *memory)
{
    struct entry *entry = memory;

    entry->g = NULL;
    say("free %s", entry->label);
}

static struct entry *make_entry(const struct node *node)
{
    struct entry *entry = calloc(1, sizeof *entry);
    const char *slot = node->words[1];
    void **used = named(world->used, slot, true);
    long count = (long)(*used = (char *)*used + 1);

    if (entry == NULL)
        abort();
    if (count == 1)
        snprintf(entry->label, sizeof entry->label, "%s", slot);
    else
        snprintf(entry->label, sizeof entry->label, "%.15s.%ld", slot, count);
    entry->hook = option(node, "hook");
    entry->fin = option(node, "fin");
    entry->unable = strcmp(node->words[2], "!") == 0;
    *world->entries_end = entry;
    world->entries_end = &entry->next;
    return entry;
}

/* NULL: the parent that is asked for is not there. */
struct greenlet *make_greenlet(const struct node *node, struct greenlet *it)
{
    const char *word = option(node, "parent");
    struct greenlet *parent = find(word, it);
    struct greenlet_callable callable;
    struct entry *entry;

    if (word != NULL && parent == NULL)
        return NULL;
    entry = make_entry(node);
    callable = make_callable(node->words[2], option(node, "del"));
    entry->g = greenlet_new_of(
        type_of(entry), callable.run != NULL ? &callable : NULL, parent, 0);
    if (entry->g == NULL) {
        say("no greenlet could be made");
        log_flush();
        abort();
    }
    greenlet_set_userdata(entry->g, entry, on_free);
    return entry->g;
}

/* ---- states ---- */

static char letter_of(const struct greenlet *g)
{
    bool started = greenlet_started(g), active = greenlet_active(g);
    bool dead = greenlet_dead(g);

    if (g == greenlet_current() && !entry_of(g)->runs)
        return 'E';
    if (started && active && !dead)
        return g == greenlet_current() ? 'R' : 'S';
    if (started && !active && dead)
        return 'D';
    return !started && !active && !dead ? 'N' : '?';
}

void snapshot(void)
{
    char text[sizeof world->main_entry.shown];
    bool any = false;

    for (struct entry *entry = world->entries; entry != NULL;
         entry = entry->next) {
        if (entry->g == NULL)
            continue;
        snprintf(text, sizeof text, "%s:%c<%s", entry->label,
                 letter_of(entry->g), label_of(greenlet_parent(entry->g)));
        if (strcmp(text, entry->shown) == 0)
            continue;
        memcpy(entry->shown, text, sizeof text);
        event_add(any ? " %s" : "  ~ %s", text);
        any = true;
    }
    if (any)
        event_end();
}

/* ---- the beginning and the end ---- */

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* In the order of their names, of those that there are now. */
void drop_slots(bool aloud)
{
    char names[MAX_NAMED][MAX_NAME];
    size_t count = 0;

    for (int i = 0; i < MAX_NAMED; i++)
        if (world->slots[i].item != NULL)
            memcpy(names[count++], world->slots[i].name, MAX_NAME);
    qsort(names, count, MAX_NAME, compare);
    for (size_t i = 0; i < count; i++) {
        void **slot = named(world->slots, names[i], false);
        struct greenlet *g = *slot;

        if (aloud)
            say("drop %s", names[i]);
        *slot = NULL;
        if (g != NULL)
            greenlet_unref(g);
        if (aloud)
            snapshot();
    }
}

void world_open(const struct script *script)
{
    static const char *const names[] = {"x", "y", "z"};

    world = calloc(1, sizeof *world);
    if (world == NULL)
        abort();
    world->script = script;
    world->entries_end = &world->entries;
    world->main = greenlet_current();
    strcpy(world->main_entry.label, "main");
    world->main_entry.begun = world->main_entry.runs = true;
    for (int i = 0; i < 3; i++)
        world->vars[i] = greenlet_var_new(names[i], value_free);
    greenlet_var_set_default(world->vars[2], value_new("99"));
    greenlet_set_context(world->main, NULL);
}

static void free_tables(void)
{
    for (int i = 0; i < MAX_NAMED; i++) {
        greenlet_weak_free(world->weaks[i].item);
        greenlet_token_free(world->tokens[i].item);
        greenlet_context_unref(world->contexts[i].item);
    }
    for (int i = 0; i < world->poisoned_count; i++)
        greenlet_context_unref(world->poisoned[i]);
    for (int i = 0; i < 3; i++)
        greenlet_var_unref(world->vars[i]);
}

/* Nothing that the script made may be left, but what upstream leaks too. */
static void check_leaks(void)
{
    struct greenlet_counts counts;

    greenlet_count(&counts);
    if (counts.greenlets + counts.contexts + counts.messages != 0)
        say("leaked: %zu greenlets, %zu contexts, %zu messages",
            counts.greenlets, counts.contexts, counts.messages);
    if (live.boxes != 0 || live.payloads != 0 || live.closures != 0 ||
        live.values != 0)
        say("leaked: %ld boxes, %ld payloads, %ld closures, %ld values",
            live.boxes, live.payloads, live.closures, live.values);
    live = (struct live){0};
}

void world_close(void)
{
    /* What was leaked on purpose in an earlier script is there for ever. */
    static bool lost;
    bool alive = false;

    free_tables();
    for (struct entry *entry = world->entries; entry != NULL;
         entry = entry->next)
        alive = alive || entry->g != NULL;
    lost = lost || alive;
    if (!lost)
        check_leaks();
    event_add("alive");
    for (struct entry *entry = world->entries; entry != NULL;) {
        struct entry *next = entry->next;

        if (entry->g != NULL)
            event_add(" %s", entry->label);
        if (!alive)
            free(entry);
        entry = next;
    }
    event_end();
    if (!alive)
        free(world);
    world = NULL;
}
