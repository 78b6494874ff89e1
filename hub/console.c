/* console.c - a socket where a process answers questions: who is connected
 *
 * One greenlet accepts, and each client has one.  The console itself is freed by
 * the last of them and of the program's handle. */
#include "hub/config_impl.h"
#include "hub/console_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE 512
#define MODE 0600

static const char greeting[] = "vireo: `help` lists the commands\n> ";

struct client {
    struct client *next, **back;
    struct hub_console *console;
    struct greenlet *greenlet;
    int fd;
};

struct hub_console {
    struct hub__part part;
    struct hub *hub; /* NULL: it has closed */
    struct sockaddr_un address;
    dev_t device; /* of the socket that we made */
    ino_t inode;
    pid_t owner;
    int fd;
    int refs;
    struct greenlet *server;
    struct client *clients;
};

static void drop(struct hub_console *console)
{
    if (--console->refs > 0)
        return;
    if (console->hub != NULL)
        hub__part_remove(console->hub, &console->part);
    free(console);
}

/* What lies there may be another's by now; and in the child of a fork it is the
 * parent's. */
static void remove_socket(const struct hub_console *console)
{
    struct stat status;

    if (console->owner == getpid() &&
        lstat(console->address.sun_path, &status) == 0 &&
        status.st_dev == console->device && status.st_ino == console->inode)
        unlink(console->address.sun_path);
}

/* Like hub_wait_fd(), but that it does not keep the loop from ending. */
static int wait_for(int fd, int events)
{
    struct hub *hub = hub__get();
    struct hub__waiter waiter;
    struct hub__fd_wait wait = { .waiter = &waiter,
                                 .fd = fd,
                                 .events = (uint8_t)events,
                                 .exclusive = 1,
                                 .unreferenced = 1 };
    int rc = hub__waiter_begin(&waiter, &hub__waits_for_fd,
                               (const void *)(intptr_t)fd);

    if (rc < 0)
        return rc;
    rc = hub__watch(hub, &wait);
    if (rc < 0)
        return rc;
    rc = hub__park_cancelable(&waiter, HUB_FOREVER);
    hub__unwatch(hub, &wait);
    return rc;
}

/* ---- one client ---- */

static int send_all(int fd, const char *text, size_t left)
{
    while (left > 0) {
        ssize_t put = send(fd, text, left, MSG_NOSIGNAL);
        int rc = 0;

        if (put > 0) {
            text += put;
            left -= (size_t)put;
        } else if (errno == EAGAIN) {
            rc = wait_for(fd, HUB_WRITE);
        } else if (errno != EINTR) {
            rc = -errno;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int answer(struct client *client, struct hub__console_list *list,
                  char *line)
{
    int fd = hub__text_fd(), rc;
    char *text;
    bool stay;

    if (fd < 0)
        return fd;
    stay = hub__console_command(list, line, fd);
    text = hub__text_of(fd);
    close(fd);
    if (text == NULL)
        return -ENOMEM;
    rc = send_all(client->fd, text, strlen(text));
    free(text);
    if (rc == 0)
        rc = stay ? send_all(client->fd, "> ", 2) : -ECANCELED;
    return rc;
}

/* Lines in what was received; the rest moves to the front. */
static int take_lines(struct client *client, struct hub__console_list *list,
                      char *line, size_t *filled)
{
    char *end;
    int rc = 0;

    while (rc == 0 && (end = memchr(line, '\n', *filled)) != NULL) {
        size_t length = (size_t)(end - line) + 1;

        *end = '\0';
        rc = answer(client, list, line);
        *filled -= length;
        memmove(line, line + length, *filled);
    }
    return rc == 0 && *filled == LINE ? -E2BIG : rc;
}

static void serve(struct client *client)
{
    struct hub__console_list list = { NULL, 0, 0 };
    char line[LINE];
    size_t filled = 0;
    int rc = send_all(client->fd, greeting, sizeof greeting - 1);

    while (rc == 0) {
        ssize_t got = read(client->fd, line + filled, LINE - filled);

        if (got > 0) {
            filled += (size_t)got;
            rc = take_lines(client, &list, line, &filled);
        } else if (got < 0 && errno == EAGAIN) {
            rc = wait_for(client->fd, HUB_READ);
        } else if (got == 0 || errno != EINTR) {
            break;
        }
    }
    free(list.all);
}

static void run_client(void *data)
{
    struct client *client = data;

    serve(client);
    hub_fd_closed(client->fd);
    close(client->fd);
    *client->back = client->next;
    if (client->next != NULL)
        client->next->back = client->back;
    greenlet_unref(client->greenlet);
    drop(client->console);
    free(client);
}

/* ---- accepting ---- */

static void add_client(struct hub_console *console, int fd)
{
    struct client *client = greenlet__calloc(1, sizeof *client);

    if (client != NULL)
        client->greenlet = hub_spawn_raw(run_client, client);
    if (client == NULL || client->greenlet == NULL) {
        free(client);
        close(fd);
        return;
    }
    greenlet_set_name(client->greenlet, "console client");
    client->fd = fd;
    client->console = console;
    console->refs++;
    client->next = console->clients;
    client->back = &console->clients;
    if (client->next != NULL)
        client->next->back = &client->next;
    console->clients = client;
}

static void run_server(void *data)
{
    struct hub_console *console = data;
    int rc = 0;

    while (rc == 0) {
        int fd = accept4(console->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
            add_client(console, fd);
        else if (errno == EAGAIN)
            rc = wait_for(console->fd, HUB_READ);
        else if (errno != EINTR && errno != ECONNABORTED)
            rc = hub_sleep_unreferenced(HUB_SECOND); /* no descriptor left */
    }
    hub_fd_closed(console->fd);
    close(console->fd);
    console->fd = -1;
    remove_socket(console);
    drop(console);
}

/* ---- opening ---- */

/* Is it a socket that nobody listens at?  Then it is removed. */
static bool remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    bool stale;
    int fd;

    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    stale = connect(fd, (const void *)address, sizeof *address) != 0 &&
            errno == ECONNREFUSED;
    close(fd);
    return stale && unlink(address->sun_path) == 0;
}

/* The mode of the socket is that of the inode it will have, but for the umask:
 * nobody else can connect at any time. */
static int listen_at(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0)
        return -errno;
    rc = fchmod(fd, MODE);
    if (rc == 0)
        rc = bind(fd, (const void *)address, sizeof *address);
    if (rc != 0 && errno == EADDRINUSE && remove_stale(address))
        rc = bind(fd, (const void *)address, sizeof *address);
    if (rc == 0)
        rc = listen(fd, 8);
    if (rc == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

static int make_path(const char *path, char *to, size_t size)
{
    struct hub__print number;
    size_t used = 0;

    hub__print_open(&number, -1);
    hub__print(&number, "%d", (int)getpid());
    for (; *path != '\0'; path++) {
        bool is_number = path[0] == '%' && path[1] == 'p';
        size_t length = is_number ? number.used : 1;

        if (used + length >= size)
            return -ENAMETOOLONG;
        memcpy(to + used, is_number ? number.text : path, length);
        used += length;
        path += is_number;
    }
    to[used] = '\0';
    return used > 0 ? 0 : -EINVAL;
}

/* In the child of a fork, where none of our greenlets is: what they had open would
 * keep the parent's clients from seeing the end. */
static void is_child(struct hub_console *console)
{
    struct client *client;

    while ((client = console->clients) != NULL) {
        console->clients = client->next;
        close(client->fd);
        greenlet_unref(client->greenlet);
        free(client);
        console->refs--;
    }
    if (console->fd < 0)
        return; /* the server has ended */
    close(console->fd);
    console->fd = -1;
    drop(console);
}

static void tell(struct hub__part *part, struct hub *hub,
                 enum hub__part_event event)
{
    struct hub_console *console = container_of(part, struct hub_console, part);

    if (event == HUB__PART_ALONE) {
        is_child(console);
    } else if (event == HUB__PART_CLOSES) {
        hub__part_remove(hub, part);
        console->hub = NULL;
    }
}

static int start(struct hub_console *console)
{
    struct stat status;

    console->fd = listen_at(&console->address);
    if (console->fd < 0)
        return console->fd;
    console->owner = getpid();
    if (lstat(console->address.sun_path, &status) == 0) {
        console->device = status.st_dev;
        console->inode = status.st_ino;
    }
    console->server = hub_spawn_raw(run_server, console);
    if (console->server == NULL) {
        close(console->fd);
        remove_socket(console);
        return -ENOMEM;
    }
    greenlet_set_name(console->server, "console");
    console->refs = 2; /* the server's, and the handle */
    console->hub = hub__peek();
    console->part.tell = tell;
    hub__part_add(console->hub, &console->part);
    return 0;
}

int hub_console_open(const char *path, struct hub_console **console)
{
    int before = errno, rc;

    *console = greenlet__calloc(1, sizeof **console);
    if (*console == NULL)
        return -ENOMEM;
    (*console)->address.sun_family = AF_UNIX;
    rc = make_path(path, (*console)->address.sun_path,
                   sizeof (*console)->address.sun_path);
    if (rc == 0)
        rc = start(*console);
    if (rc < 0) {
        free(*console);
        *console = NULL;
    }
    errno = before;
    return rc;
}

const char *hub_console_path(const struct hub_console *console)
{
    return console->address.sun_path;
}

void hub_console_close(struct hub_console *console)
{
    struct greenlet *g;

    if (console == NULL)
        return;
    hub_kill(console->server);
    hub_join(console->server, HUB_FOREVER);
    greenlet_unref(console->server);
    if (console->fd >= 0) { /* killed before it began */
        close(console->fd);
        remove_socket(console);
        drop(console);
    }
    while (console->clients != NULL) {
        g = greenlet_ref(console->clients->greenlet);
        hub_kill(g);
        if (hub_join(g, HUB_FOREVER) < 0) {
            greenlet_unref(g);
            break;
        }
        greenlet_unref(g);
    }
    drop(console);
}

/* ---- the one of the environment ---- */

/* Nobody closes it: it goes with its hub, or with the process. */
static struct sockaddr_un of_environment;
static pid_t opener;

static void remove_at_exit(void)
{
    if (opener == getpid())
        unlink(of_environment.sun_path);
}

void hub__console_start(void)
{
    char *path = hub__option_text(HUB_OPTION_CONSOLE);
    struct hub_console *console;
    struct hub__print print;
    int rc;

    if (path != NULL && path[0] != '\0') {
        rc = hub_console_open(path, &console);
        hub__print_open(&print, STDERR_FILENO);
        if (rc == 0) {
            of_environment = console->address;
            opener = getpid();
            atexit(remove_at_exit);
            greenlet_unref(console->server);
            drop(console);
        } else {
            hub__print(&print, "vireo: no console at %s: %s\n", path,
                       strerrordesc_np(-rc));
        }
        hub__print_flush(&print);
    }
    free(path);
}
