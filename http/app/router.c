/* router.c - rules as a tree, a segment a level (V-21)
 *
 * On each level text goes before arguments, and those by how much they take; a
 * path comes last, and leaves to what follows it as little as it can.  All that
 * match are looked at until one has the method, so that 405 can name the
 * methods of all. */
#include "http/app/app_impl.h"

#include <errno.h>

struct http__node {
    struct http__node *next; /* of the same parent */
    struct http__segment segment;
    unsigned arguments; /* in it and above; of the root: the most below */
    struct http__node *texts, *others, *paths; /* below it */
    struct http__route *routes, **last;        /* that end here */
};

/* ---- adding ---- */

static bool same_piece(const struct http__piece *a, const struct http__piece *b)
{
    return a->converter == b->converter && a->length == b->length &&
           memcmp(a->text, b->text, a->length) == 0;
}

static bool same_segment(const struct http__segment *a,
                         const struct http__segment *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!same_piece(&a->pieces[i], &b->pieces[i]))
            return false;
    return true;
}

/* The less, the earlier: it takes less. */
static int rank(const struct http__segment *segment)
{
    int worst = HTTP__TEXT, texts = 0;

    for (unsigned i = 0; i < segment->count; i++) {
        if ((int)segment->pieces[i].converter > worst)
            worst = segment->pieces[i].converter;
        texts += segment->pieces[i].converter == HTTP__TEXT;
    }
    return 4 * worst - (texts > 0);
}

static struct http__node *make(struct http__arena *arena,
                               const struct http__segment *segment,
                               unsigned arguments)
{
    struct http__node *node = http__arena_alloc(arena, sizeof *node);

    if (node == NULL)
        return NULL;
    memset(node, 0, sizeof *node);
    if (segment != NULL)
        node->segment = *segment;
    node->arguments = arguments;
    node->last = &node->routes;
    return node;
}

static unsigned arguments_in(const struct http__segment *segment)
{
    unsigned count = 0;

    for (unsigned i = 0; i < segment->count; i++)
        count += segment->pieces[i].converter != HTTP__TEXT;
    return count;
}

/* The child for that segment, made if there is none. */
static struct http__node *child(struct http__node *node,
                                struct http__arena *arena,
                                const struct http__segment *segment)
{
    enum http__converter first = segment->pieces[0].converter;
    struct http__node **at = first == HTTP__PATH ? &node->paths : &node->others;
    struct http__node *made;

    if (segment->count == 1 && first == HTTP__TEXT)
        at = &node->texts;
    for (; *at != NULL && rank(&(*at)->segment) <= rank(segment);
         at = &(*at)->next)
        if (same_segment(&(*at)->segment, segment))
            return *at;
    made = make(arena, segment, node->arguments + arguments_in(segment));
    if (made == NULL)
        return NULL;
    made->next = *at;
    *at = made;
    return made;
}

static bool clashes(const struct http__route *a, const struct http__route *b)
{
    return (a->slash == b->slash || a->how.any_slash || b->how.any_slash) &&
           (a->methods & b->methods) != 0;
}

int http__router_add(struct http__node **root, struct http__arena *arena,
                     struct http__route *route)
{
    struct http__node *node;

    if (*root == NULL)
        *root = make(arena, NULL, 0);
    node = *root;
    for (unsigned i = 0; i < route->count && node != NULL; i++)
        node = child(node, arena, &route->segments[i]);
    if (node == NULL)
        return -ENOMEM;
    for (const struct http__route *other = node->routes; other != NULL;
         other = other->next_here)
        if (clashes(other, route))
            return -EEXIST;
    *node->last = route;
    node->last = &route->next_here;
    if ((*root)->arguments < route->argument_count)
        (*root)->arguments = route->argument_count;
    return 0;
}

/* ---- finding ---- */

struct text {
    const char *at;
    size_t length;
};

enum { FEW = 16 };

struct search {
    struct http__arena *arena;
    struct text *segments; /* `few`, or in the arena */
    unsigned count, room;
    bool slash;
    uint32_t method;
    struct http__found *found;
    int error;
    struct text few[FEW];
};

static bool find(struct search *search, const struct http__node *node,
                 unsigned i);

/* All segments are used up. */
static bool end(struct search *search, const struct http__node *node)
{
    struct http__found *found = search->found;

    for (const struct http__route *route = node->routes; route != NULL;
         route = route->next_here) {
        bool takes = (route->methods & search->method) != 0;

        if (route->slash != search->slash && !route->how.any_slash) {
            found->add_slash |= takes && route->slash;
            continue;
        }
        found->allowed |= route->methods;
        if (takes) {
            found->route = route;
            return true;
        }
    }
    return false;
}

static bool find_text(struct search *search, const struct http__node *node,
                      unsigned i)
{
    const struct text *text = &search->segments[i];

    for (const struct http__node *at = node->texts; at != NULL; at = at->next) {
        const struct http__piece *piece = &at->segment.pieces[0];

        if (piece->length == text->length && *piece->text == *text->at &&
            memcmp(piece->text, text->at, text->length) == 0)
            return find(search, at, i + 1);
    }
    return false;
}

static bool find_argument(struct search *search, const struct http__node *node,
                          unsigned i)
{
    struct http__found *found = search->found;
    const struct text *text = &search->segments[i];

    for (const struct http__node *at = node->others; at != NULL;
         at = at->next) {
        int count =
            http__segment_match(&at->segment, text->at, text->length,
                                found->values + found->count, search->arena);

        if (count == -ENOMEM)
            search->error = -ENOMEM;
        if (count < 0)
            continue;
        found->count += (unsigned)count;
        if (find(search, at, i + 1))
            return true;
        found->count -= (unsigned)count;
    }
    return false;
}

/* `count` segments from i on, with a slash behind them or not. */
static char *join(struct search *search, unsigned i, unsigned count, bool slash)
{
    size_t size = 2;
    char *joined, *at;

    for (unsigned k = i; k < i + count; k++)
        size += search->segments[k].length + 1;
    joined = at = http__arena_alloc(search->arena, size);
    if (joined == NULL)
        return NULL;
    for (unsigned k = i; k < i + count; k++) {
        if (k > i)
            *at++ = '/';
        memcpy(at, search->segments[k].at, search->segments[k].length);
        at += search->segments[k].length;
    }
    if (slash)
        *at++ = '/';
    *at = '\0';
    return joined;
}

static bool take_path(struct search *search, const struct http__node *node,
                      unsigned i, unsigned count, bool slash)
{
    struct http__found *found = search->found;
    char *value = join(search, i, count, slash);
    bool before = search->slash, done;

    if (value == NULL) {
        search->error = -ENOMEM;
        return false;
    }
    if (*value == '\0' || *value == '/')
        return false;
    found->values[found->count++] =
        (struct http__pair){node->segment.pieces[0].text, value};
    search->slash = before && !slash;
    done = find(search, node, i + count);
    search->slash = before;
    if (!done)
        found->count--;
    return done;
}

static bool find_path(struct search *search, const struct http__node *node,
                      unsigned i)
{
    for (const struct http__node *at = node->paths; at != NULL; at = at->next) {
        unsigned all = search->count - i;
        bool goes_on =
            at->texts != NULL || at->others != NULL || at->paths != NULL;

        for (unsigned count = all - 1; goes_on && count > 0; count--)
            if (take_path(search, at, i, count, false))
                return true;
        if (search->slash && take_path(search, at, i, all, true))
            return true;
        if (take_path(search, at, i, all, false))
            return true;
    }
    return false;
}

static bool find(struct search *search, const struct http__node *node,
                 unsigned i)
{
    if (search->error < 0)
        return false;
    if (i == search->count)
        return end(search, node);
    return (node->texts != NULL && find_text(search, node, i)) ||
           (node->others != NULL && find_argument(search, node, i)) ||
           (node->paths != NULL && find_path(search, node, i));
}

/* ---- the path that was asked for ---- */

static int make_room(struct search *search)
{
    size_t size = search->room * sizeof *search->segments;
    struct text *more = http__arena_alloc(search->arena, 2 * size);

    if (more == NULL)
        return -ENOMEM;
    memcpy(more, search->segments, size);
    search->segments = more;
    search->room *= 2;
    return 0;
}

static int take_segment(struct search *search, const char *at, size_t length,
                        bool encoded)
{
    struct text *text;
    ssize_t decoded;
    char *copy;

    if (unlikely(search->count == search->room) && make_room(search) < 0)
        return -ENOMEM;
    text = &search->segments[search->count++];
    *text = (struct text){at, length};
    if (!encoded)
        return 0;
    copy = http__arena_alloc(search->arena, length + 1);
    if (copy == NULL)
        return -ENOMEM;
    decoded = http__url_decode(copy, at, length, false);
    if (decoded < 0)
        return (int)decoded;
    *text = (struct text){copy, (size_t)decoded};
    return 0;
}

/* What follows each slash; nothing behind the last one is no segment. */
static int split(struct search *search, const char *path)
{
    const char *at = path;
    int rc = 0;

    while (rc == 0 && *at == '/') {
        const char *begin = ++at;
        bool encoded = false;

        for (; *at != '/' && *at != '\0'; at++)
            encoded |= *at == '%';
        if (at == begin && *at == '\0')
            search->slash = true;
        else
            rc = take_segment(search, begin, (size_t)(at - begin), encoded);
    }
    return rc;
}

int http__router_find(const struct http__node *root, struct http__arena *arena,
                      const char *path, uint32_t method,
                      struct http__found *found)
{
    struct search search; /* not all of it: `few` need not be empty */
    int rc;

    *found = (struct http__found){.route = NULL};
    search.arena = arena;
    search.segments = search.few;
    search.count = 0;
    search.room = FEW;
    search.slash = false;
    search.method = method;
    search.found = found;
    search.error = 0;
    rc = split(&search, path);
    if (rc < 0 || root == NULL)
        return rc;
    if (root->arguments > 0) {
        found->values =
            http__arena_alloc(arena, root->arguments * sizeof *found->values);
        if (found->values == NULL)
            return -ENOMEM;
    }
    find(&search, root, 0);
    return search.error;
}
