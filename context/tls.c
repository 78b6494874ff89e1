/* tls.c - TLS blocks that stand for threads
 *
 * A mapped thread gets a block as ld.so makes one for a real thread: the static
 * TLS of all loaded modules and glibc's struct pthread, at the top of its
 * stack.  What lies where in struct pthread is found at start-up on a real
 * thread that comes and goes, never tabled; what cannot be found makes the
 * runtime stand aside (design: run native).
 *
 * Rules: nothing here may run with a half-made block loaded, except
 * greenlet__tls_enter(). */
#include "context/greenlet_impl.h"
#include "context/tls_impl.h"
#include "thread_pointer.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct greenlet__tls_layout greenlet__tls;
bool greenlet__fsgsbase;

void *(*greenlet__dl_allocate)(void *);
void (*greenlet__dl_deallocate)(void *, bool);
static void (*ctype_init)(void);
#ifdef __x86_64__
/* tcbhead_t: self pointers apart, glibc keeps the process's guards and feature
 * words in the TCB itself; they are the same for every thread. */
#define HEAD_COPY_FROM 24
#define HEAD_COPY_TO 80
#else
#define HEAD_COPY_FROM 0
#define HEAD_COPY_TO 0
#endif

#ifdef HWCAP2_FSGSBASE
#define FSGSBASE_BIT HWCAP2_FSGSBASE
#else
#define FSGSBASE_BIT 2
#endif

/* struct rseq as it was first, which is what libc reads of it. */
enum { RSEQ_SIZE = 32, RSEQ_CPU_ID = 4 };

static void *symbol(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

/* libthread_db's descriptors: { bits, elements, offset }. */
static ptrdiff_t described(const char *name, unsigned *elements)
{
    const uint32_t *field = symbol(name);

    if (field == NULL)
        return -1;
    if (elements != NULL)
        *elements = field[1];
    return (ptrdiff_t)field[2];
}

/* ---- the real thread that is looked at ---- */

#define LIBC_WORDS 64

struct probe {
    char *stack;
    size_t stack_size;
    char *pthread; /* copy of its struct pthread */
    uintptr_t thread_pointer;
    pid_t tid;
    uintptr_t robust; /* 0: the kernel does not tell */
    uintptr_t libc_words[2][LIBC_WORDS];
};

struct segment {
    uintptr_t start;
    size_t size;
};

static int find_libc_segment(struct dl_phdr_info *info, size_t size, void *data)
{
    struct segment *segment = data;
    const char *name = strrchr(info->dlpi_name, '/');

    (void)size;
    if (name == NULL || strncmp(name, "/libc.so.", 9) != 0)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            segment->start = (uintptr_t)info->dlpi_tls_data;
            segment->size = info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

static void copy_libc_words(const struct segment *segment, uintptr_t *words)
{
    size_t count = segment->size / sizeof(uintptr_t);

    memset(words, 0, LIBC_WORDS * sizeof *words);
    memcpy(words, (void *)segment->start,
           (count < LIBC_WORDS ? count : LIBC_WORDS) * sizeof *words);
}

/* Runs on the real thread.  Its first malloc shows which words are malloc's. */
static void *probe_thread(void *data)
{
    struct probe *probe = data;
    struct segment segment = { 0, 0 };
    void *volatile memory;
    void *head = NULL;
    size_t length = 0;

    probe->thread_pointer = (uintptr_t)greenlet__thread_pointer();
    probe->tid = (pid_t)syscall(SYS_gettid);
    memcpy(probe->pthread,
           (char *)probe->thread_pointer + greenlet__tls.pthread_start,
           greenlet__tls.pthread_size);
    if (!(greenlet__masked & FEATURE_ROBUST) &&
        syscall(SYS_get_robust_list, 0, &head, &length) == 0)
        probe->robust = (uintptr_t)head;
    dl_iterate_phdr(find_libc_segment, &segment);
    if (segment.start == 0)
        return NULL;
    copy_libc_words(&segment, probe->libc_words[0]);
    memory = malloc(24);
    copy_libc_words(&segment, probe->libc_words[1]);
    free(memory);
    for (unsigned i = 0; i < LIBC_WORDS; i++)
        if (probe->libc_words[0][i] != probe->libc_words[1][i] &&
            greenlet__tls.shared_count < 8)
            greenlet__tls.shared[greenlet__tls.shared_count++] =
                (ptrdiff_t)(segment.start + i * sizeof(uintptr_t) -
                            probe->thread_pointer);
    return NULL;
}

static int run_probe(struct probe *probe)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    probe->stack_size = 256 * 1024 + 5 * 4096; /* a size nobody else has */
    probe->pthread = malloc(greenlet__tls.pthread_size);
    probe->stack = mmap(NULL, probe->stack_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe->pthread == NULL || probe->stack == MAP_FAILED)
        return -ENOMEM;
    pthread_attr_init(&attr);
    rc = pthread_attr_setstack(&attr, probe->stack, probe->stack_size);
    if (rc == 0)
        rc = greenlet__libc.pthread_create(&thread, &attr, probe_thread, probe);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        rc = greenlet__libc.pthread_join(thread, NULL);
    munmap(probe->stack, probe->stack_size);
    return -rc;
}

/* ---- what was found ---- */

static uintptr_t word_at(const struct probe *probe, size_t at)
{
    uintptr_t word;

    memcpy(&word, probe->pthread + at, sizeof word);
    return word;
}

/* The only word of the copy with this value, as an offset from the thread
 * pointer; -1 if there is none or more than one. */
static ptrdiff_t unique_word(const struct probe *probe, uintptr_t value)
{
    ptrdiff_t found = -1;

    for (size_t at = 0; at + 8 <= greenlet__tls.pthread_size; at += 8) {
        if (word_at(probe, at) != value)
            continue;
        if (found >= 0)
            return -1;
        found = (ptrdiff_t)at;
    }
    return found;
}

static void find_self_words(const struct probe *probe)
{
    struct greenlet__tls_layout *tls = &greenlet__tls;
    uintptr_t own = probe->thread_pointer + (uintptr_t)tls->pthread_start;

    for (size_t at = 0; at + 8 <= tls->pthread_size; at += 8) {
        if (word_at(probe, at) == own && tls->self_count < 4)
            tls->self[tls->self_count++] = (unsigned)at;
    }
}

/* The robust list's head points to itself while empty, and so does the word
 * before it, glibc's pointer to the last entry.  The kernel knows where it is;
 * else it is found by that. */
static void find_robust(const struct probe *probe)
{
    struct greenlet__tls_layout *tls = &greenlet__tls;
    uintptr_t start = probe->thread_pointer + (uintptr_t)tls->pthread_start;

    tls->robust = -1;
    if (probe->robust >= start && probe->robust < start + tls->pthread_size) {
        tls->robust = (ptrdiff_t)(probe->robust - start);
        return;
    }
    for (size_t at = 8; at + 8 <= tls->pthread_size; at += 8)
        if (word_at(probe, at) == start + at &&
            word_at(probe, at - 8) == start + at) {
            tls->robust = (ptrdiff_t)at;
            return;
        }
}

static const char *find_described(void)
{
    struct greenlet__tls_layout *tls = &greenlet__tls;
    const uint32_t *size = symbol("_thread_db_sizeof_pthread");
    void (*info)(size_t *, size_t *);

    *(void **)&info = symbol("_dl_get_tls_static_info");
    *(void **)&greenlet__dl_allocate = symbol("_dl_allocate_tls");
    *(void **)&greenlet__dl_deallocate = symbol("_dl_deallocate_tls");
    greenlet__dtv_find(symbol("_dl_allocate_tls_init"),
                       described("_thread_db_pthread_dtvp", NULL));
    *(void **)&ctype_init = symbol("__ctype_init");
    if (size == NULL || *size < 256 || *size > 65536)
        return "the size of struct pthread";
    if (info == NULL || greenlet__dl_allocate == NULL ||
        greenlet__dl_deallocate == NULL || ctype_init == NULL)
        return "ld.so's functions for TLS blocks";
    tls->pthread_size = *size;
#ifndef __x86_64__
    tls->pthread_start = -(ptrdiff_t)*size;
#endif
    info(&tls->static_size, &tls->static_align);
    tls->list = described("_thread_db_pthread_list", NULL);
    tls->tid = described("_thread_db_pthread_tid", NULL);
    tls->specific =
        described("_thread_db_pthread_specific", &tls->specific_count);
    if (tls->list < 0 || tls->tid < 0 || tls->specific < 0)
        return "the list, tid or specific field of struct pthread";
    return NULL;
}

/* Up to glibc 2.40 the area lies in struct pthread; since then beside the variables,
 * which on x86-64 is below it. */
static void find_rseq(void)
{
    struct greenlet__tls_layout *tls = &greenlet__tls;
    const ptrdiff_t *offset = symbol("__rseq_offset");
    ptrdiff_t lowest, highest;

    tls->rseq = -1;
    if (offset == NULL || (greenlet__masked & FEATURE_RSEQ))
        return;
#ifdef __x86_64__
    lowest = (ptrdiff_t)(tls->pthread_size - tls->static_size);
    highest = (ptrdiff_t)tls->pthread_size - RSEQ_SIZE;
#else
    lowest = tls->pthread_start;
    highest = (ptrdiff_t)tls->static_size - RSEQ_SIZE;
#endif
    if (*offset >= lowest && *offset <= highest)
        tls->rseq = *offset - tls->pthread_start;
}

static const char *find_probed(void)
{
    struct greenlet__tls_layout *tls = &greenlet__tls;
    struct probe probe = { 0 };
    const char *missing = NULL;
    int32_t tid;

    if (run_probe(&probe) < 0) {
        free(probe.pthread);
        return "a thread to look at (none could be made)";
    }
    find_self_words(&probe);
    memcpy(&tid, probe.pthread + tls->tid, sizeof tid);
    if (tid != probe.tid)
        missing = "the tid where libthread_db says it is";
#ifdef __x86_64__
    if (tls->self_count < 2)
        missing = "the self pointers of struct pthread";
#endif
    find_robust(&probe);
    tls->stackblock = unique_word(&probe, (uintptr_t)probe.stack);
    tls->stackblock_size = unique_word(&probe, probe.stack_size);
    free(probe.pthread);
    return missing;
}

int greenlet__tls_find(const char **why)
{
    if (greenlet__tls.found)
        return 0;
    greenlet__fsgsbase = (getauxval(AT_HWCAP2) & FSGSBASE_BIT) != 0 &&
                         !(greenlet__masked & FEATURE_FSGSBASE);
    *why = find_described();
    if (*why == NULL)
        *why = find_probed();
    if (*why != NULL)
        return -ENOTSUP;
    find_rseq();
    free(malloc(24)); /* so that this thread has the words that are shared */
    greenlet__tls.found = true;
    return 0;
}

/* ---- making a block ---- */

static void put_word(char *at, uintptr_t word)
{
    memcpy(at, &word, sizeof word);
}

static void fill_robust(char *pthread, const char *model)
{
    ptrdiff_t at = greenlet__tls.robust;

    if (at < 8)
        return;
    put_word(pthread + at - 8, (uintptr_t)pthread + (uintptr_t)at);
    put_word(pthread + at, (uintptr_t)pthread + (uintptr_t)at);
    memcpy(pthread + at + 8, model + at + 8, 8); /* futex offset */
}

void greenlet__tls_fill(char *pthread, const char *model,
                        const struct greenlet__slot *slot)
{
    const struct greenlet__tls_layout *tls = &greenlet__tls;
    const int32_t unset = -1;

    memcpy(pthread + HEAD_COPY_FROM, model + HEAD_COPY_FROM,
           HEAD_COPY_TO - HEAD_COPY_FROM);
    for (unsigned i = 0; i < tls->self_count; i++)
        put_word(pthread + tls->self[i], (uintptr_t)pthread);
    /* Linked to itself: fork() takes the node out of the list it is in. */
    put_word(pthread + tls->list, (uintptr_t)(pthread + tls->list));
    put_word(pthread + tls->list + 8, (uintptr_t)(pthread + tls->list));
    memcpy(pthread + tls->tid, model + tls->tid, sizeof(int32_t));
    fill_robust(pthread, model);
    if (tls->rseq != -1) {
        memset(pthread + tls->rseq, 0, RSEQ_SIZE);
        memcpy(pthread + tls->rseq + RSEQ_CPU_ID, &unset, sizeof unset);
    }
    if (slot != NULL && tls->stackblock >= 0 && tls->stackblock_size >= 0) {
        put_word(pthread + tls->stackblock, (uintptr_t)slot->base);
        put_word(pthread + tls->stackblock_size, slot->size);
    }
}

char *greenlet__tls_place(char *top, char **start)
{
    const struct greenlet__tls_layout *tls = &greenlet__tls;
    uintptr_t align = tls->static_align > 64 ? tls->static_align : 64;
    uintptr_t pointer;

#ifdef __x86_64__
    pointer = ((uintptr_t)top - tls->pthread_size) & ~(align - 1);
    *start = (char *)pointer - (tls->static_size - tls->pthread_size);
#else
    pointer = ((uintptr_t)top - tls->static_size) & ~(align - 1);
    *start = (char *)pointer - ((tls->pthread_size + 63) & ~(size_t)63);
#endif
    return (char *)pointer;
}

void greenlet__tls_enter(void)
{
    ctype_init();
}

/* glibc walks its list of user stacks to initialise the TLS of a library that
 * needs a place in every static block. */
struct greenlet__node *greenlet__tls_stacks(void)
{
    static struct greenlet__node *head;

    if (head == NULL) {
        char *global = symbol("_rtld_global");
        ptrdiff_t at =
            described("_thread_db_rtld_global__dl_stack_user", NULL);

        if (global == NULL || at < 0)
            return NULL;
        head = (void *)(global + at);
    }
    return head;
}

/* ---- ld.so's load lock ---- */

static const int32_t *load_lock_owner;

/* Runs while our own library is being opened: the load lock is held by this
 * thread now, and it is the one recursive lock in _rtld_global that is (glibc
 * keeps kind, count and owner in neighbouring words). */
__attribute__((constructor)) static void find_load_lock(void)
{
    const int32_t *global = symbol("_rtld_global");
    const int32_t *found = NULL;
    const ElfW(Sym) *entry = NULL;
    int32_t tid = (int32_t)syscall(SYS_gettid);
    Dl_info info;
    size_t words;

    if (global == NULL ||
        dladdr1(global, &info, (void **)&entry, RTLD_DL_SYMENT) == 0 ||
        entry == NULL)
        return;
    words = entry->st_size / sizeof *global;
    for (size_t i = 0; i + 4 < words; i++) {
        if (global[i] < 1 || global[i] > 2 || global[i + 1] < 1 ||
            global[i + 2] != tid)
            continue;
        if (found != NULL)
            return; /* two candidates: better none */
        found = &global[i + 2];
    }
    load_lock_owner = found;
}

bool greenlet__in_loader(void)
{
    int32_t tid;

    if (load_lock_owner == NULL || *load_lock_owner == 0)
        return false;
    if (!greenlet__tls.found)
        return true;
    memcpy(&tid, greenlet__pthread_of(greenlet__thread_pointer()) + greenlet__tls.tid,
           sizeof tid);
    return *load_lock_owner == tid;
}
