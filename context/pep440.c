/* pep440.c - versions of Python packages, and what is required of them
 *
 * Nothing is copied and no number is too long: a parsed version points into its
 * text, and numbers are compared as digits.  Where PEP 440 leaves a choice it
 * is made as Python's `packaging` makes it. */
#include "context/pep440.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* A piece of the text.  Of a number: its digits without leading zeros. */
struct text {
    const char *at, *end;
};

struct version {
    struct text epoch, release, local; /* at NULL: none */
    struct text pre, post, dev;        /* their numbers; at NULL: none */
    char kind;                         /* of pre: 'a', 'b' or 'c' */
    bool wildcard;                     /* ".*" followed the release */
};

/* ---- reading ---- */

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\n\r\f\v", c) != NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

static void skip_spaces(struct text *rest)
{
    while (rest->at < rest->end && is_space(*rest->at))
        rest->at++;
}

static bool take(struct text *rest, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(rest->end - rest->at) < length ||
        strncasecmp(rest->at, word, length) != 0)
        return false;
    rest->at += length;
    return true;
}

/* The digits that come next, none included: that is 0. */
static struct text take_number(struct text *rest)
{
    struct text number;

    while (rest->at < rest->end && *rest->at == '0')
        rest->at++;
    number.at = rest->at;
    while (rest->at < rest->end && is_digit(*rest->at))
        rest->at++;
    number.end = rest->at;
    return number;
}

static bool digit_at(const struct text *rest, size_t i)
{
    return (size_t)(rest->end - rest->at) > i && is_digit(rest->at[i]);
}

/* "N!" */
static void take_epoch(struct text *rest, struct text *epoch)
{
    struct text ahead = *rest;
    struct text number = take_number(&ahead);

    if (ahead.at == rest->at || !take(&ahead, "!"))
        return;
    *epoch = number;
    *rest = ahead;
}

static bool take_release(struct text *rest, struct text *release)
{
    if (!digit_at(rest, 0))
        return false;
    release->at = rest->at;
    take_number(rest);
    while (rest->at < rest->end && *rest->at == '.' && digit_at(rest, 1)) {
        rest->at++;
        take_number(rest);
    }
    release->end = rest->at;
    return true;
}

/* One of `words`, with a separator before and behind it or not, and a number,
 * which is 0 if there is none.  Returns which word, or -1. */
static int take_part(struct text *rest, const char *const *words,
                     struct text *number)
{
    struct text ahead = *rest;

    if (ahead.at < ahead.end && is_separator(*ahead.at))
        ahead.at++;
    for (int i = 0; words[i] != NULL; i++) {
        if (!take(&ahead, words[i]))
            continue;
        if (ahead.at < ahead.end && is_separator(*ahead.at))
            ahead.at++;
        *number = take_number(&ahead);
        *rest = ahead;
        return i;
    }
    return -1;
}

static void take_suffixes(struct text *rest, struct version *version)
{
    /* Longer words before those they begin with. */
    static const char *const pre[] = {"alpha", "a",  "beta", "b", "preview",
                                      "pre",   "rc", "c",    NULL};
    static const char *const post[] = {"post", "rev", "r", NULL};
    static const char *const dev[] = {"dev", NULL};
    int word = take_part(rest, pre, &version->pre);

    if (word >= 0)
        version->kind = "aabbcccc"[word];
    if (digit_at(rest, 1) && *rest->at == '-') {
        rest->at++;
        version->post = take_number(rest);
    } else {
        take_part(rest, post, &version->post);
    }
    take_part(rest, dev, &version->dev);
}

static bool take_local(struct text *rest, struct text *local)
{
    if (!take(rest, "+"))
        return true;
    local->at = rest->at;
    for (;;) {
        const char *word = rest->at;

        while (rest->at < rest->end && is_alphanumeric(*rest->at))
            rest->at++;
        if (rest->at == word)
            return false;
        if (rest->at == rest->end || !is_separator(*rest->at))
            break;
        rest->at++;
    }
    local->end = rest->at;
    return true;
}

/* All of `text` but spaces around it. */
static bool parse(struct text text, struct version *version)
{
    memset(version, 0, sizeof *version);
    skip_spaces(&text);
    while (text.end > text.at && is_space(text.end[-1]))
        text.end--;
    take(&text, "v");
    take_epoch(&text, &version->epoch);
    if (!take_release(&text, &version->release))
        return false;
    version->wildcard = take(&text, ".*");
    if (!version->wildcard) {
        take_suffixes(&text, version);
        if (!take_local(&text, &version->local))
            return false;
    }
    return text.at == text.end;
}

/* ---- comparing ---- */

static int sign(long difference)
{
    return (difference > 0) - (difference < 0);
}

static int compare_numbers(struct text a, struct text b)
{
    long longer = (a.end - a.at) - (b.end - b.at);

    if (longer != 0 || a.at == a.end)
        return sign(longer);
    return sign(memcmp(a.at, b.at, (size_t)(a.end - a.at)));
}

/* The next number of a release; 0 behind its end. */
static struct text next_number(struct text *release)
{
    struct text number = take_number(release);

    take(release, ".");
    return number;
}

static int compare_releases(struct text a, struct text b)
{
    int order = 0;

    while (order == 0 && (a.at < a.end || b.at < b.end)) {
        struct text left = next_number(&a), right = next_number(&b);

        order = compare_numbers(left, right);
    }
    return order;
}

/* Epoch and release. */
static int compare_bases(const struct version *a, const struct version *b)
{
    int order = compare_numbers(a->epoch, b->epoch);

    return order != 0 ? order : compare_releases(a->release, b->release);
}

/* Where what has no such part stands among those that have it. */
static int compare_parts(struct text a, int a_without, struct text b,
                         int b_without)
{
    int left = a.at != NULL ? 0 : a_without;
    int right = b.at != NULL ? 0 : b_without;

    if (left != right || left != 0)
        return sign(left - right);
    return compare_numbers(a, b);
}

/* 1.0.dev1 comes before 1.0a1, and all others without a part behind it. */
static int without_pre(const struct version *version)
{
    return version->post.at == NULL && version->dev.at != NULL ? -1 : 1;
}

static int compare_pres(const struct version *a, const struct version *b)
{
    if (a->kind != b->kind && a->kind != 0 && b->kind != 0)
        return sign(a->kind - b->kind);
    return compare_parts(a->pre, without_pre(a), b->pre, without_pre(b));
}

static struct text next_word(struct text *local)
{
    struct text word = {local->at, local->at};

    while (word.end < local->end && is_alphanumeric(*word.end))
        word.end++;
    local->at = word.end < local->end ? word.end + 1 : word.end;
    return word;
}

static bool is_number(struct text word)
{
    while (word.at < word.end && is_digit(*word.at))
        word.at++;
    return word.at == word.end;
}

/* Numbers are above words. */
static int compare_words(struct text a, struct text b)
{
    bool left = is_number(a), right = is_number(b);
    size_t a_length = (size_t)(a.end - a.at), b_length = (size_t)(b.end - b.at);
    int order;

    if (left != right)
        return left ? 1 : -1;
    if (left)
        return compare_numbers(take_number(&a), take_number(&b));
    order = strncasecmp(a.at, b.at, a_length < b_length ? a_length : b_length);
    return order != 0 ? sign(order) : sign((long)a_length - (long)b_length);
}

static int compare_locals(struct text a, struct text b)
{
    int order = 0;

    while (order == 0 && a.at < a.end && b.at < b.end) {
        struct text left = next_word(&a), right = next_word(&b);

        order = compare_words(left, right);
    }
    return order != 0 ? order : (a.at < a.end) - (b.at < b.end);
}

/* Without the local parts. */
static int compare_public(const struct version *a, const struct version *b)
{
    int order = compare_bases(a, b);

    if (order == 0)
        order = compare_pres(a, b);
    if (order == 0)
        order = compare_parts(a->post, -1, b->post, -1);
    if (order == 0)
        order = compare_parts(a->dev, 1, b->dev, 1);
    return order;
}

static int compare(const struct version *a, const struct version *b)
{
    int order = compare_public(a, b);

    return order != 0 ? order : compare_locals(a->local, b->local);
}

static struct text all_of(const char *string)
{
    return (struct text){string, string + strlen(string)};
}

int greenlet__version_compare(const char *a, const char *b, int *order)
{
    struct version left, right;

    if (!parse(all_of(a), &left) || left.wildcard ||
        !parse(all_of(b), &right) || right.wildcard)
        return -EINVAL;
    *order = compare(&left, &right);
    return 0;
}

/* ---- requirements ---- */

enum operation {
    COMPATIBLE,
    IDENTICAL,
    EQUAL,
    UNEQUAL,
    AT_MOST,
    AT_LEAST,
    BELOW,
    ABOVE
};

static bool take_operation(struct text *rest, enum operation *operation)
{
    static const char *const written[] = {
        "~=", "===", "==", "!=", "<=", ">=", "<", ">"};

    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (take(rest, written[i])) {
            *operation = (enum operation)i;
            return true;
        }
    return false;
}

/* Does the release of `version` begin with `prefix`? */
static bool begins_with(const struct version *version, struct text epoch,
                        struct text prefix)
{
    struct text release = version->release;

    if (compare_numbers(version->epoch, epoch) != 0)
        return false;
    while (prefix.at < prefix.end) {
        struct text left = next_number(&release), right = next_number(&prefix);

        if (compare_numbers(left, right) != 0)
            return false;
    }
    return true;
}

static bool equal(const struct version *version, const struct version *wanted)
{
    if (wanted->wildcard)
        return begins_with(version, wanted->epoch, wanted->release);
    if (wanted->local.at == NULL)
        return compare_public(version, wanted) == 0;
    return compare(version, wanted) == 0;
}

/* ~= 2.2.1: at least that, and 2.2.*. */
static bool compatible(const struct version *version,
                       const struct version *wanted)
{
    struct text prefix = wanted->release;

    while (prefix.end[-1] != '.')
        prefix.end--;
    return compare_public(version, wanted) >= 0 &&
           begins_with(version, wanted->epoch, prefix);
}

/* < 3.6 is not met by a pre-release of 3.6, unless a pre-release was named. */
static bool below(const struct version *version, const struct version *wanted)
{
    if (compare(version, wanted) >= 0)
        return false;
    return wanted->pre.at != NULL || wanted->dev.at != NULL ||
           (version->pre.at == NULL && version->dev.at == NULL) ||
           compare_bases(version, wanted) != 0;
}

/* > 3.5 is not met by a post-release or a local version of 3.5. */
static bool above(const struct version *version, const struct version *wanted)
{
    if (compare(version, wanted) <= 0)
        return false;
    if (compare_bases(version, wanted) != 0)
        return true;
    return version->local.at == NULL &&
           (version->post.at == NULL || wanted->post.at != NULL);
}

static bool meets(enum operation operation, const struct version *version,
                  const struct version *wanted)
{
    switch (operation) {
    case COMPATIBLE:
        return compatible(version, wanted);
    case EQUAL:
        return equal(version, wanted);
    case UNEQUAL:
        return !equal(version, wanted);
    case AT_MOST:
        return compare_public(version, wanted) <= 0;
    case AT_LEAST:
        return compare_public(version, wanted) >= 0;
    case BELOW:
        return below(version, wanted);
    case ABOVE:
        return above(version, wanted);
    case IDENTICAL:
        break;
    }
    return false;
}

/* What PEP 440 allows with which comparison. */
static bool allowed(enum operation operation, const struct version *wanted)
{
    bool equality = operation == EQUAL || operation == UNEQUAL;
    size_t length = (size_t)(wanted->release.end - wanted->release.at);

    if (!equality && (wanted->wildcard || wanted->local.at != NULL))
        return false;
    return operation != COMPATIBLE ||
           memchr(wanted->release.at, '.', length) != NULL;
}

/* === compares what is written, which need be no version. */
static int identical(struct text clause, const char *version)
{
    size_t length;

    while (clause.end > clause.at && is_space(clause.end[-1]))
        clause.end--;
    length = (size_t)(clause.end - clause.at);
    if (length == 0)
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        if (is_space(clause.at[i]) || clause.at[i] == ';' ||
            clause.at[i] == ')')
            return -EINVAL;
    return strlen(version) == length &&
           strncasecmp(clause.at, version, length) == 0;
}

/* One comparison: 1, 0, -EINVAL. */
static int clause_met(struct text clause, const char *version)
{
    struct version ours, wanted;
    enum operation operation;

    skip_spaces(&clause);
    if (!take_operation(&clause, &operation))
        return -EINVAL;
    skip_spaces(&clause);
    if (operation == IDENTICAL)
        return identical(clause, version);
    if (!parse(all_of(version), &ours) || ours.wildcard ||
        !parse(clause, &wanted) || !allowed(operation, &wanted))
        return -EINVAL;
    return meets(operation, &ours, &wanted);
}

int greenlet__version_meets(const char *name, const char *version,
                            const char *requirement)
{
    struct text rest = all_of(requirement);
    bool named;
    int met = 1;

    skip_spaces(&rest);
    named = take(&rest, name);
    skip_spaces(&rest);
    if (rest.at == rest.end)
        return named ? 1 : -EINVAL;
    /* All of it is read: what is malformed is so wherever it stands. */
    for (;;) {
        struct text clause = rest;
        const char *comma = memchr(rest.at, ',', (size_t)(rest.end - rest.at));
        int one;

        if (comma != NULL)
            clause.end = comma;
        one = clause_met(clause, version);
        if (one < 0)
            return one;
        met &= one;
        if (comma == NULL)
            return met;
        rest.at = comma + 1;
    }
}
