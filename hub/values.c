/* values.c - values of options as texts */
#include "hub/config_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    { "", HUB_SECOND },         { "s", HUB_SECOND },
    { "ms", HUB_MILLISECOND },  { "us", HUB_MICROSECOND },
    { "ns", 1 },                { "m", 60 * HUB_SECOND },
    { NULL, 0 }
};
static const struct unit sizes[] = {
    { "", 1 },       { "b", 1 },       { "k", 1 << 10 }, { "kb", 1 << 10 },
    { "m", 1 << 20 }, { "mb", 1 << 20 }, { "g", 1 << 30 }, { "gb", 1 << 30 },
    { NULL, 0 }
};
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static int parse_bool(const char *text, int64_t *number)
{
    static const char *const words[] = { "0",   "1",  "no",    "yes",
                                         "off", "on", "false", "true" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *number = i % 2;
            return 0;
        }
    return -EINVAL;
}

/* The place of a word between bars. */
static int parse_choice(const char *choices, const char *text, int64_t *number)
{
    int64_t place = 0;

    for (; *choices != '\0'; place++) {
        size_t length = strcspn(choices, "|");

        if (strlen(text) == length && strncasecmp(text, choices, length) == 0) {
            *number = place;
            return 0;
        }
        choices += length + (choices[length] == '|');
    }
    return -EINVAL;
}

/* No exponents, no hexadecimal, no "inf" and no white space. */
static int parse_number(const struct unit *units, const char *text,
                        int64_t *number)
{
    const char *end = text + strspn(text, "+-0123456789.");
    char digits[40], *rest;
    double value;

    if (end == text || (size_t)(end - text) >= sizeof digits)
        return -EINVAL;
    memcpy(digits, text, (size_t)(end - text));
    digits[end - text] = '\0';
    value = strtod(digits, &rest);
    if (*rest != '\0')
        return -EINVAL;
    for (; units->name != NULL && strcasecmp(units->name, end) != 0; units++)
        ;
    value *= units->name != NULL ? (double)units->factor : 0;
    if (units->name == NULL || !(value < 9e18 && value > -9e18))
        return -EINVAL;
    *number = (int64_t)(value + (value < 0 ? -0.5 : 0.5));
    return 0;
}

int hub__option_parse(const struct hub_option_info *info, const char *text,
                      int64_t *number)
{
    int rc = -EINVAL;

    switch (info->type) {
    case HUB_OPTION_BOOL:
        return parse_bool(text, number);
    case HUB_OPTION_CHOICE:
        return parse_choice(info->choices, text, number);
    case HUB_OPTION_INTEGER:
        rc = strchr(text, '.') == NULL ? parse_number(plain, text, number)
                                       : -EINVAL;
        break;
    case HUB_OPTION_DURATION:
        rc = parse_number(durations, text, number);
        break;
    case HUB_OPTION_SIZE:
        rc = parse_number(sizes, text, number);
        break;
    case HUB_OPTION_TEXT:
        break;
    }
    if (rc == 0 && (*number < info->least || *number > info->most))
        rc = -EINVAL;
    return rc;
}

static int format_choice(const char *choices, int64_t place, char *text,
                         size_t size)
{
    for (; place > 0; place--)
        choices += strcspn(choices, "|") + 1;
    return snprintf(text, size, "%.*s", (int)strcspn(choices, "|"), choices);
}

int hub__option_format(const struct hub_option_info *info, int64_t number,
                       char *text, size_t size)
{
    if (info->type == HUB_OPTION_CHOICE)
        return format_choice(info->choices, number, text, size);
    if (info->type == HUB_OPTION_DURATION)
        return snprintf(text, size, "%.9g", (double)number / 1e9);
    return snprintf(text, size, "%lld", (long long)number);
}

int hub__signal_number(const char *text)
{
    char *end;
    long number;

    if (text[0] == '\0' || strcasecmp(text, "none") == 0)
        return 0;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);

        if (name != NULL && strcasecmp(name, text) == 0)
            return i;
    }
    if (strncasecmp(text, "RTMIN", 5) == 0) {
        number = text[5] == '\0' ? 0 : strtol(text + 5, &end, 10);
        number += SIGRTMIN;
        if (text[5] != '\0' && (text[5] != '+' || *end != '\0'))
            return -EINVAL;
    } else {
        number = strtol(text, &end, 10);
        if (*end != '\0')
            return -EINVAL;
    }
    return number > 0 && number <= SIGRTMAX ? (int)number : -EINVAL;
}
