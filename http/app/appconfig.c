/* appconfig.c - options of an application: declared, typed, from a file and the
 * environment (V-37) */
#include "http/app/app_impl.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* ---- values ---- */

static int read_number(const struct http_app_option *option, const char *text,
                       int64_t *number)
{
    int saved = errno, rc = 0;
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' ||
        strchr("-0123456789", *text) == NULL)
        rc = -EINVAL;
    errno = saved;
    if (rc == 0 && (option->least != 0 || option->most != 0) &&
        (*number < option->least || *number > option->most))
        rc = -EINVAL;
    return rc;
}

static int read_boolean(const char *text, int64_t *number)
{
    static const char *const words[] = {"false", "true", "no", "yes",
                                        "off",   "on",   "0",  "1"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *number = i % 2;
            return 0;
        }
    return -EINVAL;
}

static int read_secrets(struct http_app *app, const char *text)
{
    const char *list[16];
    size_t count = 0;
    char *at = http__arena_copy(&app->arena, text, strlen(text));

    if (at == NULL)
        return -ENOMEM;
    for (at += strspn(at, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        if (count == sizeof list / sizeof *list)
            return -EINVAL;
        list[count++] = at;
        at += strcspn(at, " \t");
        if (*at != '\0')
            *at++ = '\0';
    }
    return http_app_set_secrets(app, list, count);
}

static int read_value(struct http_app *app, struct http__setting *setting,
                      const char *text)
{
    int64_t number = 0;
    char *copy;
    int rc = 0;

    if (setting->option.type == HTTP_APP_SECRETS)
        return read_secrets(app, text);
    if (setting->option.type == HTTP_APP_NUMBER)
        rc = read_number(&setting->option, text, &number);
    else if (setting->option.type == HTTP_APP_BOOLEAN)
        rc = read_boolean(text, &number);
    if (rc < 0)
        return rc;
    copy = http__arena_copy(&app->arena, text, strlen(text));
    if (copy == NULL)
        return -ENOMEM;
    setting->text = copy;
    setting->number = number;
    return 0;
}

/* A secret is not said again. */
static int set(struct http_app *app, struct http__setting *setting,
               const char *text, const char *where)
{
    char what[160];
    int rc = read_value(app, setting, text);

    if (rc == 0)
        return 0;
    snprintf(what, sizeof what, "%s%s", where, setting->option.name);
    return http__app_fail(app, rc, what,
                          rc == -EINVAL ? "no good value" : NULL);
}

/* ---- declaring ---- */

static struct http__setting *find(const struct http_app *app, const char *name)
{
    struct http__setting *setting = app->settings;

    while (setting != NULL && strcmp(setting->option.name, name) != 0)
        setting = setting->next;
    return setting;
}

static bool is_name(const char *name)
{
    return name != NULL && *name != '\0' &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static int declare(struct http_app *app, const struct http_app_option *option)
{
    struct http__setting *made;

    if (!is_name(option->name) || option->type > HTTP_APP_SECRETS)
        return http__app_fail(app, -EINVAL, "an option", "it is none");
    if (find(app, option->name) != NULL)
        return http__app_fail(app, -EEXIST, option->name, "declared twice");
    made = http__arena_alloc(&app->arena, sizeof *made);
    if (made == NULL)
        return http__app_fail(app, -ENOMEM, option->name, NULL);
    *made = (struct http__setting){.next = app->settings, .option = *option};
    made->option.name =
        http__arena_copy(&app->arena, option->name, strlen(option->name));
    if (made->option.name == NULL)
        return http__app_fail(app, -ENOMEM, option->name, NULL);
    app->settings = made;
    return option->initial != NULL ? set(app, made, option->initial, "") : 0;
}

int http_app_config_declare(struct http_app *app,
                            const struct http_app_option *options, size_t count)
{
    for (size_t i = 0; i < count && app->error == 0; i++)
        declare(app, &options[i]);
    return app->error;
}

/* ---- setting ---- */

int http_app_config_set(struct http_app *app, const char *name,
                        const char *value)
{
    struct http__setting *setting = find(app, name);

    if (app->error != 0)
        return app->error;
    if (setting == NULL)
        return http__app_fail(app, -ENOENT, name, "there is no such option");
    return set(app, setting, value, "");
}

int http_app_config_environment(struct http_app *app, const char *prefix)
{
    for (struct http__setting *setting = app->settings;
         setting != NULL && app->error == 0; setting = setting->next) {
        char name[160];
        const char *value;

        snprintf(name, sizeof name, "%s%s", prefix, setting->option.name);
        value = getenv(name);
        if (value != NULL)
            set(app, setting, value, prefix);
    }
    return app->error;
}

/* ---- a file ---- */

static char *trimmed(char *text)
{
    size_t length;

    text += strspn(text, " \t\r\n");
    for (length = strlen(text);
         length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL; length--)
        text[length - 1] = '\0';
    return text;
}

static int read_line(struct http_app *app, char *line, const char *path,
                     unsigned number)
{
    char where[128], *equals, *name = trimmed(line);
    struct http__setting *setting;

    if (*name == '\0' || *name == '#')
        return 0;
    snprintf(where, sizeof where, "%s:%u: ", path, number);
    equals = strchr(name, '=');
    if (equals == NULL)
        return http__app_fail(app, -EINVAL, where, "no NAME = value");
    *equals = '\0';
    name = trimmed(name);
    setting = find(app, name);
    if (setting == NULL) {
        strncat(where, name, sizeof where - strlen(where) - 1);
        return http__app_fail(app, -ENOENT, where, "there is no such option");
    }
    return set(app, setting, trimmed(equals + 1), where);
}

int http_app_config_file(struct http_app *app, const char *path)
{
    int saved = errno, rc = app->error;
    FILE *from = rc == 0 ? fopen(path, "re") : NULL;
    unsigned number = 0;
    size_t room = 0;
    char *line = NULL;

    if (rc == 0 && from == NULL)
        rc = http__app_fail(app, -errno, path, NULL);
    while (rc == 0 && getline(&line, &room, from) >= 0)
        rc = read_line(app, line, path, ++number);
    if (rc == 0 && ferror(from) != 0)
        rc = http__app_fail(app, -EIO, path, NULL);
    free(line);
    if (from != NULL)
        fclose(from);
    errno = saved;
    return rc;
}

/* ---- asking ---- */

const char *http_app_config_text(const struct http_app *app, const char *name)
{
    const struct http__setting *setting = find(app, name);

    return setting != NULL ? setting->text : NULL;
}

static int64_t number_of(const struct http_app *app, const char *name,
                         enum http_app_type type, int64_t fallback)
{
    const struct http__setting *setting = find(app, name);

    return setting != NULL && setting->option.type == type &&
                   setting->text != NULL
               ? setting->number
               : fallback;
}

int64_t http_app_config_number(const struct http_app *app, const char *name,
                               int64_t fallback)
{
    return number_of(app, name, HTTP_APP_NUMBER, fallback);
}

bool http_app_config_boolean(const struct http_app *app, const char *name,
                             bool fallback)
{
    return number_of(app, name, HTTP_APP_BOOLEAN, fallback) != 0;
}
