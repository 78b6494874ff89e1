/* script.c - the parser of greenlet scripts; script.py is its twin */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16 };

/* Where lines go: the blocks that are open, the innermost last. */
struct place {
    struct node *block[MAX_DEPTH];
    struct nodes *nodes[MAX_DEPTH];
    int depth;
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        fputs("no memory\n", stderr);
        abort();
    }
    return memory;
}

static struct body *find_body(struct script *script, const char *name)
{
    struct body **at = &script->bodies;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (*at == NULL) {
        *at = allocate(sizeof **at);
        (*at)->name = strdup(name);
        (*at)->nodes.end = &(*at)->nodes.first;
    }
    return *at;
}

const struct node *script_body(const struct script *script, const char *name)
{
    const struct body *body = script->bodies;

    while (body != NULL && strcmp(body->name, name) != 0)
        body = body->next;
    return body != NULL ? body->nodes.first : NULL;
}

/* The words stay in `text`, which gets one blank between them. */
static struct node *make_node(char *words[], int count)
{
    struct node *node = allocate(sizeof *node);
    size_t size = 1;
    char *to;
    int i;

    for (i = 0; i < count; i++)
        size += strlen(words[i]) + 1;
    node->text = to = allocate(2 * size);
    for (i = 0; i < count; i++)
        to += sprintf(to, i == 0 ? "%s" : " %s", words[i]);
    to = node->text + size;
    for (i = 0; i < count; i++) {
        node->words[i] = to;
        to += sprintf(to, "%s", words[i]) + 1;
    }
    node->count = count;
    node->inner.end = &node->inner.first;
    node->handler.end = &node->handler.first;
    return node;
}

/* Operations, and how many words one has at least. */
static const struct {
    const char *name;
    int words;
} known[] = {
    {"new", 3},      {"switch", 2},   {"throw", 2},   {"parent", 3},
    {"let", 3},      {"drop", 2},     {"weak", 3},    {"deref", 2},
    {"trace", 2},    {"gettrace", 1}, {"run", 3},     {"unrun", 2},
    {"getrun", 2},   {"return", 1},   {"raise", 2},   {"set", 3},
    {"get", 2},      {"reset", 3},    {"copyctx", 3}, {"sharectx", 3},
    {"clearctx", 2}, {"showctx", 2},  {"newctx", 2},  {"savectx", 3},
    {"givectx", 3},  {"within", 2},   {"try", 2},
};
static const char *const classes[] = {
    "exit",  "exit2",     "err",       "err2", "base", "any",
    "value", "exception", "attribute", "type", "error"};

static bool is_class(const char *word)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i], word) == 0)
            return true;
    return false;
}

/* inst CLASS N [with N], CLASS [N], CLASS inst CLASS N, bad, or nothing */
static bool throw_is_fine(char *words[], int count)
{
    if (count == 0 || strcmp(words[0], "bad") == 0)
        return true;
    if (strcmp(words[0], "inst") == 0)
        return (count == 3 || count == 5) && is_class(words[1]);
    if (!is_class(words[0]))
        return false;
    if (count > 1 && strcmp(words[1], "inst") == 0)
        return count == 4 && is_class(words[2]);
    return count < 3;
}

static const char *check_words(char *words[], int count)
{
    int needed = 0;

    if (strcmp(words[0], "?") == 0)
        return count > 1 ? check_words(words + 1, count - 1)
                         : "? without an operation";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, words[0]) == 0)
            needed = known[i].words;
    if (needed == 0)
        return "no such operation";
    if (count < needed)
        return "too few words";
    if (strcmp(words[0], "throw") == 0)
        return throw_is_fine(words + 2, count - 2) ? NULL : "no such throw";
    if (strcmp(words[0], "try") == 0 || strcmp(words[0], "raise") == 0)
        return is_class(words[1]) ? NULL : "no such class";
    return NULL;
}

static const char *open_node(struct place *place, char *words[], int count)
{
    const char *why = check_words(words, count);
    struct nodes *nodes = place->nodes[place->depth];
    struct node *node;

    if (why != NULL)
        return why;
    node = make_node(words, count);
    *nodes->end = node;
    nodes->end = &node->next;
    if (strcmp(words[0], "try") != 0 && strcmp(words[0], "within") != 0)
        return NULL;
    if (place->depth + 1 == MAX_DEPTH)
        return "too many blocks inside each other";
    place->depth++;
    place->block[place->depth] = node;
    place->nodes[place->depth] = &node->inner;
    return NULL;
}

static const char *close_part(struct place *place, bool handler)
{
    struct node *block = place->depth > 0 ? place->block[place->depth] : NULL;

    if (block == NULL)
        return "no block is open";
    if (!handler) {
        place->depth--;
        return NULL;
    }
    if (strcmp(block->words[0], "try") != 0 ||
        place->nodes[place->depth] == &block->handler)
        return "catch outside of a try";
    place->nodes[place->depth] = &block->handler;
    return NULL;
}

static const char *take_line(struct script *script, struct place *place,
                             char *words[], int count)
{
    if (strcmp(words[0], "limit") == 0 && count > 1) {
        script->limit = strtol(words[1], NULL, 10);
        return NULL;
    }
    if (strcmp(words[0], "body") == 0 && count > 1) {
        if (place->depth > 0)
            return "a body begins inside a block";
        place->nodes[0] = &find_body(script, words[1])->nodes;
        return NULL;
    }
    if (strcmp(words[0], "catch") == 0)
        return close_part(place, true);
    if (strcmp(words[0], "end") == 0)
        return close_part(place, false);
    return open_node(place, words, count);
}

static int split(char *line, char *words[])
{
    char *rest = NULL, *word;
    int count = 0;

    line[strcspn(line, "#")] = '\0';
    for (word = strtok_r(line, " \t\r", &rest);
         word != NULL && count < MAX_WORDS;
         word = strtok_r(NULL, " \t\r", &rest))
        words[count++] = word;
    return count;
}

struct script *script_parse(char *text)
{
    struct script *script = allocate(sizeof *script);
    struct place place = {.depth = 0};
    char *rest = text, *words[MAX_WORDS];
    int number = 0;

    script->limit = 300;
    place.nodes[0] = &find_body(script, "main")->nodes;
    while (rest != NULL && script->error[0] == '\0') {
        char *line = strsep(&rest, "\n");
        int count = split(line, words);
        const char *why = NULL;

        number++;
        if (count > 0)
            why = take_line(script, &place, words, count);
        if (why != NULL)
            snprintf(script->error, sizeof script->error, "line %d: %s", number,
                     why);
    }
    if (place.depth > 0 && script->error[0] == '\0')
        snprintf(script->error, sizeof script->error, "a block has no end");
    return script;
}

static void free_nodes(struct node *node)
{
    while (node != NULL) {
        struct node *next = node->next;

        free_nodes(node->inner.first);
        free_nodes(node->handler.first);
        free(node->text);
        free(node);
        node = next;
    }
}

void script_free(struct script *script)
{
    while (script->bodies != NULL) {
        struct body *body = script->bodies;

        script->bodies = body->next;
        free_nodes(body->nodes.first);
        free(body->name);
        free(body);
    }
    free(script);
}
