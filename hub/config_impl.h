/* config_impl.h - options, for the files of hub/ */
#ifndef HUB_CONFIG_IMPL_H
#define HUB_CONFIG_IMPL_H

#include "hub/config.h"
#include "hub/sight.h"

/* Its number; raw once hub__options_read() was called. */
int64_t hub__option(enum hub_option option);
/* A copy of its text, malloc()ed; NULL: no memory. */
char *hub__option_text(enum hub_option option);
/* Read the environment for all that nobody asked for yet. */
void hub__options_read(void);
void hub__config_forked(void);

/* values.c: texts and numbers.  0 or -EINVAL. */
int hub__option_parse(const struct hub_option_info *info, const char *text,
                      int64_t *number);
int hub__option_format(const struct hub_option_info *info, int64_t number,
                       char *text, size_t size);
/* "USR2", "SIGUSR2", "12", "RTMIN+1".  0: "" or "none"; -EINVAL. */
int hub__signal_number(const char *text);

/* effects.c: what may be set, and what that does at once */
bool hub__option_good(enum hub_option option, const char *text); /* of a text */
int hub__option_check(enum hub_option option, const char *text);
void hub__option_changed(enum hub_option option);
/* work.c, resolver.c, ares.c: one of theirs has changed */
void hub__threadpool_changed(enum hub_option option);
void hub__resolver_changed(void);
void hub__ares_changed(void);
/* resolver.c: 0, -EINVAL, -ELIBACC */
bool hub__resolver_known(const char *names);
int hub__resolver_check(const char *names);

#endif
