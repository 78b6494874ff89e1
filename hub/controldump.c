/* controldump.c - what all threads do, copied for one who asks at the control
 * socket
 *
 * The program goes on meanwhile: threads are visited by some hundred at a time
 * (controlthread.c), and a hub is interrupted only if it has not switched for
 * a while. */
#include "hub/controldump_impl.h"
#include "hub/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTLE_NS (3 * HUB_MILLISECOND)

/* ---- sending ---- */

static void send_all(struct hub__control_out *out, const char *at, size_t left)
{
    while (left > 0 && !out->failed) {
        ssize_t put = send(out->fd, at, left, MSG_NOSIGNAL);

        if (put > 0) {
            at += put;
            left -= (size_t)put;
        } else if (errno != EINTR) {
            out->failed = true;
        }
    }
}

void hub__control_flush(struct hub__control_out *out)
{
    send_all(out, out->buffer, out->used);
    out->used = 0;
}

void hub__control_put(struct hub__control_out *out, const void *bytes,
                      size_t size)
{
    if (size == 0)
        return;
    if (size > out->size - out->used)
        hub__control_flush(out);
    if (size > out->size) {
        send_all(out, bytes, size);
        return;
    }
    memcpy(out->buffer + out->used, bytes, size);
    out->used += size;
}

void control__record(struct control__dump *dump, enum control__kind kind,
                     const void *head, size_t size, const void *tail,
                     size_t more)
{
    struct control__record record = { kind, (uint32_t)(size + more) };

    hub__control_put(dump->out, &record, sizeof record);
    hub__control_put(dump->out, head, size);
    if (more > 0)
        hub__control_put(dump->out, tail, more);
}

struct maps_line {
    char text[64];
    size_t length;
};

/* Of each line the beginning is enough. */
static void take_maps(struct control__dump *dump, const char *text, size_t size,
                      struct maps_line *line)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n') {
            if (line->length + 1 < sizeof line->text)
                line->text[line->length++] = text[i];
            continue;
        }
        line->text[line->length] = '\0';
        line->length = 0;
        control__shape_map(&dump->shapes, line->text);
    }
}

static void put_maps(struct control__dump *dump)
{
    char text[4096];
    struct maps_line line = { .length = 0 };
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (got = read(fd, text, sizeof text)) > 0) {
        control__record(dump, CONTROL_MAPS, text, (size_t)got, NULL, 0);
        take_maps(dump, text, (size_t)got, &line);
    }
    if (fd >= 0)
        close(fd);
    hub__control_flush(dump->out);
}

static void put_report(int64_t ago, const char *text, size_t size, void *dump)
{
    control__record(dump, CONTROL_REPORT, &ago, sizeof ago, text, size);
}

/* ---- a hub ---- */

static char *map_bytes(size_t size)
{
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return bytes != MAP_FAILED ? bytes : NULL;
}

static void unmap_bytes(char *bytes, size_t size)
{
    if (bytes != NULL)
        munmap(bytes, size);
}

static bool polls(const struct hub *hub)
{
    return __atomic_load_n(&hub->dozes, __ATOMIC_RELAXED);
}

/* Its thread has the same greenlet run for so long that it is worth a look. */
static uint32_t what_does(const struct hub *hub, uint64_t *switches)
{
    uint64_t words[HUB__CALL_WORDS];
    uint32_t never = 0;

    *switches = greenlet__read(hub->switches);
    if (polls(hub))
        return CONTROL_POLLS;
    hub__raw_wait(&never, 0, SETTLE_NS);
    if (polls(hub))
        return CONTROL_POLLS;
    if (greenlet__read(hub->switches) != *switches)
        return CONTROL_SWITCHES;
    return hub__scan_call(hub->sight->tid, words) ? CONTROL_SLEEPS
                                                  : CONTROL_COMPUTES;
}

static void put_sleeping(struct control__dump *dump, const struct control__seen *seen,
                         struct control__running *running)
{
    uint64_t words[HUB__CALL_WORDS], sp;
    size_t stack = 0;
    char *bytes;

    if (!hub__scan_call(seen->head.tid, words))
        return;
    running->call = (int64_t)words[0];
    sp = words[HUB__CALL_STACK];
    running->registers[CONTROL_SP] = sp;
    running->registers[CONTROL_PC] = words[HUB__CALL_CODE];
    control__find_stack(dump, sp, &running->low, &running->high);
    bytes = map_bytes(dump->stack);
    if (bytes != NULL && sp < running->high)
        stack = running->high - sp < dump->stack ? (size_t)(running->high - sp)
                                                 : dump->stack;
    if (!hub__scan_copy(bytes, (const void *)(uintptr_t)sp, stack))
        stack = 0;
    control__record(dump, CONTROL_RUNNING, running, sizeof *running, bytes,
                    stack);
    unmap_bytes(bytes, dump->stack);
}

static void put_computing(struct control__dump *dump,
                          const struct control__seen *seen,
                          struct control__running *running)
{
    char *bytes = map_bytes(dump->stack);
    size_t stack = 0;
    uint64_t sp;

    if (bytes != NULL)
        stack = dump->control->interrupt(seen->head.tid, running->registers,
                                         bytes, dump->stack);
    sp = running->registers[CONTROL_SP];
    if (stack > 0) {
        running->exact = 1;
        control__find_stack(dump, sp, &running->low, &running->high);
        if (running->high - sp < stack)
            stack = (size_t)(running->high - sp);
        control__record(dump, CONTROL_RUNNING, running, sizeof *running, bytes,
                        stack);
    }
    unmap_bytes(bytes, dump->stack);
}

static void look_at(const struct hub *hub, struct control__seen *seen)
{
    const struct hub__look *look = &hub->sight->look;
    struct control__hub *head = &seen->head;

    memset(seen, 0, sizeof *seen);
    seen->os = hub->os;
    seen->first = hub->os->first;
    head->id = hub->id;
    head->tid = hub->sight->tid;
    head->loop = (uint64_t)(uintptr_t)hub->greenlet;
    head->doing = what_does(hub, &head->switches);
    if (head->doing >= CONTROL_COMPUTES)
        head->unmoved_ns = look->since != 0 && look->unmoved == head->switches
                               ? hub_now() - look->since
                               : SETTLE_NS;
}

static void look_at_hubs(struct control__dump *dump)
{
    hub__all_lock();
    for (struct hub *hub = hub__all; hub != NULL && dump->hub_count < CONTROL_HUBS;
         hub = hub->next_hub)
        look_at(hub, &dump->hubs[dump->hub_count++]);
    hub__all_unlock();
}

static void put_hub(struct control__dump *dump, const struct control__seen *seen)
{
    struct control__running running = { .call = -1, .hub = seen->head.id };

    control__record(dump, CONTROL_HUB, &seen->head, sizeof seen->head, NULL, 0);
    if (seen->head.doing == CONTROL_SLEEPS)
        put_sleeping(dump, seen, &running);
    else if (seen->head.doing == CONTROL_COMPUTES)
        put_computing(dump, seen, &running);
}

/* ---- all ---- */

static int put_own(struct greenlet *g, void *dump)
{
    control__put_own(dump, g);
    return 0;
}

static void put_threads(struct control__dump *dump)
{
    bool first = true, more = true;

    hub__control_flush(dump->out);
    for (; more && !dump->out->failed; first = false) {
        more = dump->control->visit(first, control__put_listed, dump);
        control__find_owners(dump);
        hub__control_flush(dump->out);
    }
    greenlet_each(put_own, dump);
}

void hub__control_dump(const struct hub__control *control,
                       struct hub__control_out *out, size_t stack)
{
    uint64_t greeting = CONTROL_GREETING;
    static struct control__dump dump; /* one client at a time; the stack is small */

    memset(&dump, 0, sizeof dump);
    dump.control = control;
    dump.out = out;
    dump.stack = stack & ~(size_t)7;
    hub__control_put(out, &greeting, sizeof greeting);
    put_maps(&dump);
    hub__kept_each(put_report, &dump);
    look_at_hubs(&dump);
    dump.now = hub_now();
    for (int i = 0; i < dump.hub_count; i++)
        put_hub(&dump, &dump.hubs[i]);
    put_threads(&dump);
    control__record(&dump, CONTROL_END, NULL, 0, NULL, 0);
    hub__control_flush(out);
}
