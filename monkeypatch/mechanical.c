/* mechanical.c - the wrappers that follow from their line in symbols.def
 *
 * The C names of the wrappers are ours, their assembler names libc's: headers
 * redirect some, and declare others with attributes that we cannot keep. */
#include "monkeypatch/files.h"
#include "monkeypatch/monkeypatch_impl.h"

/* A STORAGE call of less than this waited for nothing. */
#define BLOCKED_NS 1000000

/* What a function that this libc does not have returns: NULL or -1. */
#define ABSENT(ret) _Generic((ret (*)(void))0, \
    int (*)(void): -1,                         \
    ssize_t (*)(void): -1,                     \
    default: 0)

/* f(a, b, c) of a parenthesised list, applied to each member. */
#define EACH_1(f, a) f(a)
#define EACH_2(f, a, ...) f(a) EACH_1(f, __VA_ARGS__)
#define EACH_3(f, a, ...) f(a) EACH_2(f, __VA_ARGS__)
#define EACH_4(f, a, ...) f(a) EACH_3(f, __VA_ARGS__)
#define EACH_5(f, a, ...) f(a) EACH_4(f, __VA_ARGS__)
#define EACH_6(f, a, ...) f(a) EACH_5(f, __VA_ARGS__)
#define EACH_7(f, a, ...) f(a) EACH_6(f, __VA_ARGS__)
#define EACH_8(f, a, ...) f(a) EACH_7(f, __VA_ARGS__)
#define COUNT(a, b, c, d, e, f, g, h, n, ...) EACH_##n
#define EACH(f, ...) \
    COUNT(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)(f, __VA_ARGS__)

#define LIST_1(f, a) f(a)
#define LIST_2(f, a, ...) f(a), LIST_1(f, __VA_ARGS__)
#define LIST_3(f, a, ...) f(a), LIST_2(f, __VA_ARGS__)
#define LIST_4(f, a, ...) f(a), LIST_3(f, __VA_ARGS__)
#define LIST_5(f, a, ...) f(a), LIST_4(f, __VA_ARGS__)
#define LIST_6(f, a, ...) f(a), LIST_5(f, __VA_ARGS__)
#define LIST_7(f, a, ...) f(a), LIST_6(f, __VA_ARGS__)
#define LIST_8(f, a, ...) f(a), LIST_7(f, __VA_ARGS__)
#define COUNT_LIST(a, b, c, d, e, f, g, h, n, ...) LIST_##n
#define LIST(f, ...) \
    COUNT_LIST(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)(f, __VA_ARGS__)

/* The parameters of a function as members of a struct, and what is done with
 * their names. */
#define MEMBER(parameter) parameter;
#define MEMBERS(...) EACH(MEMBER, __VA_ARGS__)
#define LOAD(argument) call->argument
#define LOADS(...) LIST(LOAD, __VA_ARGS__)
#define STORE(argument) .argument = argument
#define STORES(...) LIST(STORE, __VA_ARGS__)

/* The original may be asked for before our constructor ran. */
#define FOUND(name) (likely(mp__real.name != NULL) || find(&mp__real.name))

static __attribute__((noinline)) bool find(const void *original)
{
    mp__init();
    if (*(void *const *)original != NULL)
        return true;
    errno = ENOSYS;
    return false;
}

struct later {
    const char *name;
    int64_t from;
};

static struct later later_begin(const char *name)
{
    struct later later = {name, mp__now()};

    return later;
}

static void later_end(struct later *later)
{
    int64_t took = mp__now() - later->from;

    if (took >= BLOCKED_NS)
        mp__later(later->name, took);
}

/* Cancellation points among them, as in libc. */
#define POINT_copy_file_range _, 1
#define POINT_fsync _, 1
#define POINT_fdatasync _, 1
#define POINT_msync _, 1
#define POINT_sync_file_range _, 1
#define POINT_fallocate _, 1
#define POINT_fallocate64 _, 1
/* POINT_name is `_, 1`: 1; else 0. */
#define SECOND_OF(a, b, ...) b
#define SECOND(...) SECOND_OF(__VA_ARGS__)
#define IS_POINT(name) SECOND(POINT_##name, 0, 0)

static inline void point(int is_point)
{
    if (is_point && unlikely(mp__here->cancel_pending != 0))
        mp__testcancel();
}

#define DEFINE_OFFLOAD_AS(group, how, ret, name, params, args)          \
    struct call_##name {                                                \
        MEMBERS params                                                  \
        ret returned;                                                   \
        int errno_then, h_errno_then;                                   \
    };                                                                  \
    static void offloaded_##name(void *arg)                             \
    {                                                                   \
        struct call_##name *call = arg;                                 \
        errno = call->errno_then;                                       \
        h_errno = call->h_errno_then;                                   \
        call->returned = mp__real.name(LOADS args);                     \
        call->errno_then = errno;                                       \
        call->h_errno_then = h_errno;                                   \
    }                                                                   \
    MP_EXPORT ret mp__wrap_##name params __asm__(#name);                \
    MP_EXPORT ret mp__wrap_##name params                                \
    {                                                                   \
        if (!FOUND(name))                                               \
            return (ret)ABSENT(ret);                                    \
        if (!MP_COOPERATIVE(group) || !mp__may_park())                  \
            return mp__real.name args;                                  \
        point(IS_POINT(name));                                          \
        struct call_##name call = {STORES args, .errno_then = errno,    \
                                   .h_errno_then = h_errno};            \
        if (mp__offload(offloaded_##name, &call, how) < 0)              \
            offloaded_##name(&call); /* no helper: wait here */         \
        h_errno = call.h_errno_then;                                    \
        errno = call.errno_then;                                        \
        return call.returned;                                           \
    }

#define DEFINE_STORAGE(group, kind, ret, name, params, args)            \
    struct call_##name {                                                \
        MEMBERS params                                                  \
        ret returned;                                                   \
        int errno_then;                                                 \
    };                                                                  \
    static void handed_over_##name(void *arg)                           \
    {                                                                   \
        struct call_##name *call = arg;                                 \
        errno = call->errno_then;                                       \
        call->returned = mp__real.name(LOADS args);                     \
        call->errno_then = errno;                                       \
    }                                                                   \
    MP_EXPORT ret mp__wrap_##name params __asm__(#name);                \
    MP_EXPORT ret mp__wrap_##name params                                \
    {                                                                   \
        if (!FOUND(name))                                               \
            return (ret)ABSENT(ret);                                    \
        if (!MP_COOPERATIVE(group))                                     \
            return mp__real.name args;                                  \
        point(IS_POINT(name));                                          \
        if (mp__files_in_pool(MP_FILES_POOL)) {                         \
            struct call_##name call = {STORES args,                     \
                                       .errno_then = errno};            \
            mp__files_run_as(handed_over_##name, &call);                \
            errno = call.errno_then;                                    \
            return call.returned;                                       \
        }                                                               \
        mp__io_spend(); /* a loop of these lets others run, too */      \
        __attribute__((cleanup(later_end), unused)) struct later later =\
            later_begin(#name);                                         \
        return mp__real.name args;                                      \
    }

#define DEFINE_OFFLOAD(group, kind, ...) \
    DEFINE_OFFLOAD_AS(group, HUB_OFFLOAD_QUICK, __VA_ARGS__)
#define DEFINE_OFFLOAD_LONG(group, kind, ...) \
    DEFINE_OFFLOAD_AS(group, HUB_OFFLOAD_LONG, __VA_ARGS__)

/* Those without parameters (the list is "void"), without a result, and without
 * both: `body` is what the helper does with `call`. */
struct bare {
    int errno_then, h_errno_then;
};

static void bare_run(void (*function)(void *), struct bare *call)
{
    call->errno_then = errno;
    call->h_errno_then = h_errno;
    if (mp__offload(function, call, HUB_OFFLOAD_QUICK) < 0)
        function(call);
    h_errno = call->h_errno_then;
    errno = call->errno_then;
}

#define OFFLOADED(name, members, body)                                  \
    struct call_##name {                                                \
        struct bare bare;                                               \
        members                                                         \
    };                                                                  \
    static void offloaded_##name(void *arg)                             \
    {                                                                   \
        struct call_##name *call = arg;                                 \
        errno = call->bare.errno_then;                                  \
        h_errno = call->bare.h_errno_then;                              \
        body;                                                           \
        call->bare.errno_then = errno;                                  \
        call->bare.h_errno_then = h_errno;                              \
    }
#define MAY_PARK(group) (MP_COOPERATIVE(group) && mp__may_park())

#define DEFINE_OFFLOAD_NONE(group, kind, ret, name, params, args)       \
    OFFLOADED(name, ret returned;, call->returned = mp__real.name())    \
    MP_EXPORT ret mp__wrap_##name params __asm__(#name);                \
    MP_EXPORT ret mp__wrap_##name params                                \
    {                                                                   \
        if (!FOUND(name))                                               \
            return (ret)ABSENT(ret);                                    \
        if (!MAY_PARK(group))                                           \
            return mp__real.name();                                     \
        struct call_##name call;                                        \
        bare_run(offloaded_##name, &call.bare);                         \
        return call.returned;                                           \
    }

#define DEFINE_OFFLOAD_PLAIN(group, kind, ret, name, params, args)      \
    OFFLOADED(name, , mp__real.name())                                  \
    MP_EXPORT void mp__wrap_##name params __asm__(#name);               \
    MP_EXPORT void mp__wrap_##name params                               \
    {                                                                   \
        struct call_##name call;                                        \
        if (!FOUND(name))                                               \
            return;                                                     \
        if (MAY_PARK(group))                                            \
            bare_run(offloaded_##name, &call.bare);                     \
        else                                                            \
            mp__real.name();                                            \
    }

#define DEFINE_OFFLOAD_VOID(group, kind, ret, name, params, args)       \
    OFFLOADED(name, MEMBERS params, mp__real.name(LOADS args))          \
    MP_EXPORT void mp__wrap_##name params __asm__(#name);               \
    MP_EXPORT void mp__wrap_##name params                               \
    {                                                                   \
        struct call_##name call = {STORES args};                        \
        if (!FOUND(name))                                               \
            return;                                                     \
        if (MAY_PARK(group))                                            \
            bare_run(offloaded_##name, &call.bare);                     \
        else                                                            \
            mp__real.name args;                                         \
    }

#define DEFINE_COOPERATIVE(...)
#define DEFINE_TRACKED(...)
#define DEFINE_BY_HAND(...)
#define DEFINE_REFUSES(...)
#define DEFINE_PASS(...)

#define MP_SYMBOL(group, kind, ret, name, params, args) \
    DEFINE_##kind(group, kind, ret, name, params, args)
#include "monkeypatch/symbols.def"
