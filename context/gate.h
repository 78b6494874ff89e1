/* gate.h - is this compatible with greenlet?  Asked of the machine at hand
 *
 * The answer is a self-test, not a number: it makes greenlets and looks at what
 * they do. */
#ifndef VIREO_GATE_H
#define VIREO_GATE_H

#include "context/contextvar.h"
#include "context/greenlet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Frozen, as in greenlet.h of upstream since 1.0 (G-177): it says nothing. */
#define GREENLET_VERSION "1.0.0"
/* The release of greenlet whose behaviour this is. */
#define GREENLET_COMPATIBLE_VERSION "3.5.3"

/* What upstream's module has as constants; always true, no build option turns
 * one off (G-176). */
#define GREENLET_USE_GC 1
#define GREENLET_USE_TRACING 1
#define GREENLET_USE_CONTEXT_VARS 1

/* GREENLET_COMPATIBLE_VERSION, and the version of Vireo, of the library that is
 * loaded.  Thread-safe. */
GREENLET_API const char *greenlet_compatible_version(void);
GREENLET_API const char *greenlet_build_version(void);
/* The constant of that name in the library that is loaded: 1, 0, or -ENOENT. */
GREENLET_API int greenlet_feature(const char *name);

enum { GREENLET_GATE_MAX = 32 };
struct greenlet_gate_report {
    int passed, failed; /* cases of the self-test */
    struct {
        const char *id;   /* "G-113" */
        const char *what; /* what should have been */
    } failures[GREENLET_GATE_MAX];
    char line[160]; /* the verdict in one line, for people */
};

/* Is what runs here compatible with `requirement`: "greenlet", comparisons as in
 * PEP 440 ("greenlet>=1.0,!=2.0.0"; ~= == != <= >= < > ===), or only these?
 * The version must match, and then every case of the self-test must hold on this
 * CPU: fails closed.
 *
 * Makes and runs greenlets in the calling thread; its tracer, context and
 * pending record are as before afterwards, a message that waits for
 * greenlet_received() is not.  Switches.  report may be NULL.
 * Returns 0; -ENOTSUP if the version does not match or a case fails; -EINVAL for
 * a requirement that is none; -ENOMEM. */
GREENLET_API int greenlet_gate(const char *requirement,
                               struct greenlet_gate_report *report);

/* The C interface of upstream as a table for plug-ins (G-170 ... G-173): its
 * twelve entries, in its order.  Three are data, the rest functions that return
 * as theirs do: new references (greenlet_unref()), NULL or -1 on failure with a
 * record for greenlet_caught().  A body is a callable, arguments a message (NULL:
 * none; given); what a switch returns is the message it delivered, given. */
struct greenlet_capi {
    const struct greenlet_type *type;
    const struct greenlet_class *error;
    const struct greenlet_class *exit;
    struct greenlet *(*new_)(const struct greenlet_callable *run,
                             struct greenlet *parent);
    struct greenlet *(*getcurrent)(void);
    struct greenlet_message *(*throw_)(struct greenlet *g,
                                       const struct greenlet_class *cls,
                                       void *value, const void *origin);
    struct greenlet_message *(*switch_)(struct greenlet *g,
                                        struct greenlet_message *args);
    int (*setparent)(struct greenlet *g, struct greenlet *parent);
    int (*main)(struct greenlet *g);
    int (*started)(struct greenlet *g);
    int (*active)(struct greenlet *g);
    struct greenlet *(*getparent)(struct greenlet *g);
};
GREENLET_API const struct greenlet_capi *greenlet_capi(void);

#ifdef __cplusplus
}
#endif
#endif
