/* glib_loop.c - a GLib main loop beside threads
 *
 * GLib's locks are futexes that it waits for by syscall(2).  Prints one line a
 * scene, the same in each run; messages on stderr are GLib's. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 50, ITEMS = 500 };

static GMainLoop *loop;
static GMutex mutex;
static GCond cond;
static gint count; /* atomic */

static void say(const char *scene)
{
    g_print("%s: %d\n", scene, g_atomic_int_get(&count));
    g_atomic_int_set(&count, 0);
}

static void in_threads(GThreadFunc function, gpointer data)
{
    GThread *threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("worker", function, data);
    for (int i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
}

/* Give up on a loop that nothing ends. */
static gboolean stuck(gpointer scene)
{
    g_error("stuck in %s", (const char *)scene);
    return G_SOURCE_REMOVE;
}

static void run_loop(const char *scene)
{
    guint guard = g_timeout_add_seconds(60, stuck, (gpointer)scene);

    g_main_loop_run(loop);
    g_source_remove(guard);
}

/* ---- locks, pools, queues ---- */

static gint turn;

static gpointer take_turns(gpointer data)
{
    static gint next;
    gint mine = g_atomic_int_add(&next, 1);

    for (int i = 0; i < 20; i++) {
        g_mutex_lock(&mutex);
        while (turn % THREADS != mine)
            g_cond_wait(&cond, &mutex);
        turn++;
        g_cond_broadcast(&cond);
        g_mutex_unlock(&mutex);
    }
    return data;
}

static gpointer wait_too_long(gpointer data)
{
    gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_MILLISECOND;

    g_mutex_lock(&mutex);
    while (g_cond_wait_until(&cond, &mutex, end))
        continue;
    g_mutex_unlock(&mutex);
    g_atomic_int_add(&count, g_get_monotonic_time() >= end);
    return data;
}

static GRWLock rw;
static GRecMutex recursive;
static GPrivate own = G_PRIVATE_INIT(g_free);
static long halves[2];

static gpointer read_and_write(gpointer data)
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        g_usleep(5000);
        g_atomic_int_inc(&count);
        g_once_init_leave(&once, 1);
    }
    g_private_set(&own, g_strdup("mine"));
    for (int i = 0; i < 20; i++) {
        g_rw_lock_writer_lock(&rw);
        halves[0]++;
        g_thread_yield();
        halves[1]++;
        g_rw_lock_writer_unlock(&rw);
        g_rw_lock_reader_lock(&rw);
        if (halves[0] == halves[1])
            g_atomic_int_inc(&count);
        g_rw_lock_reader_unlock(&rw);
        g_rec_mutex_lock(&recursive);
        g_rec_mutex_lock(&recursive);
        g_rec_mutex_unlock(&recursive);
        g_rec_mutex_unlock(&recursive);
    }
    return data;
}

static void work(gpointer item, gpointer data)
{
    (void)data;
    g_usleep(1000);
    g_atomic_int_add(&count, GPOINTER_TO_INT(item));
}

static void pools(void)
{
    GThreadPool *pool = g_thread_pool_new(work, NULL, 20, FALSE, NULL);

    for (int i = 1; i <= ITEMS; i++)
        g_thread_pool_push(pool, GINT_TO_POINTER(i), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    say("thread pool");
    pool = g_thread_pool_new(work, NULL, 10, TRUE, NULL);
    for (int i = 1; i <= ITEMS; i++)
        g_thread_pool_push(pool, GINT_TO_POINTER(i), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    say("exclusive pool");
}

static gpointer consume(gpointer queue)
{
    for (;;) {
        gint item = GPOINTER_TO_INT(g_async_queue_pop(queue));

        if (item == ITEMS + 1)
            return NULL;
        g_atomic_int_add(&count, item);
    }
}

static gpointer produce(gpointer queue)
{
    for (int i = 1; i <= ITEMS; i++)
        g_async_queue_push(queue, GINT_TO_POINTER(i));
    for (int i = 0; i < THREADS; i++)
        g_async_queue_push(queue, GINT_TO_POINTER(ITEMS + 1));
    return NULL;
}

static void queues(void)
{
    GAsyncQueue *queue = g_async_queue_new();
    GThread *producer = g_thread_new("producer", produce, queue);

    in_threads(consume, queue);
    g_thread_join(producer);
    say("async queue");
    if (g_async_queue_timeout_pop(queue, 20000) == NULL)
        g_atomic_int_inc(&count);
    say("empty queue");
    g_async_queue_unref(queue);
}

/* ---- the loop ---- */

static gboolean called_in_loop(gpointer wanted)
{
    if (g_main_context_is_owner(g_main_context_default()) &&
        g_atomic_int_add(&count, 1) + 1 == GPOINTER_TO_INT(wanted))
        g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static gpointer ask_the_loop(gpointer wanted)
{
    for (int i = 0; i < 20; i++) {
        g_idle_add(called_in_loop, wanted);
        g_usleep(1000);
    }
    return NULL;
}

static gpointer many_ask(gpointer data)
{
    in_threads(ask_the_loop, GINT_TO_POINTER(THREADS * 20));
    return data;
}

static void idles(void)
{
    GThread *asking = g_thread_new("asking", many_ask, NULL);

    run_loop("idles");
    g_thread_join(asking);
    say("idle sources from threads");
}

static gboolean tick(gpointer data)
{
    (void)data;
    if (g_atomic_int_add(&count, 1) + 1 < 20)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

/* A context of a thread's own, with its own loop. */
static gboolean quit(gpointer own_loop)
{
    g_atomic_int_inc(&count);
    g_main_loop_quit(own_loop);
    return G_SOURCE_REMOVE;
}

static gpointer own_context(gpointer data)
{
    GMainContext *context = g_main_context_new();
    GMainLoop *own_loop = g_main_loop_new(context, FALSE);
    GSource *source = g_timeout_source_new(10);

    g_main_context_push_thread_default(context);
    g_source_set_callback(source, quit, own_loop, NULL);
    g_source_attach(source, context);
    g_source_unref(source);
    g_main_loop_run(own_loop);
    g_main_context_pop_thread_default(context);
    g_main_loop_unref(own_loop);
    g_main_context_unref(context);
    return data;
}

static gboolean on_signal(gpointer data)
{
    (void)data;
    if (g_atomic_int_add(&count, 1) + 1 == 3)
        g_main_loop_quit(loop);
    else
        kill(getpid(), SIGUSR1);
    return G_SOURCE_CONTINUE;
}

static gpointer send_signal(gpointer data)
{
    g_usleep(10000);
    kill(getpid(), SIGUSR1);
    return data;
}

static void signals(void)
{
    guint source = g_unix_signal_add(SIGUSR1, on_signal, NULL);
    GThread *sender = g_thread_new("sender", send_signal, NULL);

    run_loop("signals");
    g_thread_join(sender);
    g_source_remove(source);
    say("signal sources");
}

/* ---- children ---- */

enum { CHILDREN = 20 };

static void child_ended(GPid pid, gint status, gpointer data)
{
    static int ended;

    if (WIFEXITED(status) && WEXITSTATUS(status) == GPOINTER_TO_INT(data))
        g_atomic_int_inc(&count);
    g_spawn_close_pid(pid);
    if (++ended == CHILDREN)
        g_main_loop_quit(loop);
}

static void children(void)
{
    for (int i = 0; i < CHILDREN; i++) {
        gchar text[32];
        gchar *command[] = {(gchar *)"sh", (gchar *)"-c", text, NULL};
        GPid pid;

        g_snprintf(text, sizeof text, "sleep 0.0%d; exit %d", i % 10, i);
        if (!g_spawn_async(NULL, command, NULL,
                           G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                           NULL, NULL, &pid, NULL))
            g_error("spawn");
        g_child_watch_add(pid, child_ended, GINT_TO_POINTER(i));
    }
    run_loop("children");
    say("children watched");
}

static gpointer run_and_read(gpointer data)
{
    gchar *out = NULL, *err = NULL;
    gint status;

    if (g_spawn_command_line_sync("sh -c 'sleep 0.02; echo out; echo err >&2'",
                                  &out, &err, &status, NULL) &&
        status == 0 && strcmp(out, "out\n") == 0 && strcmp(err, "err\n") == 0)
        g_atomic_int_inc(&count);
    g_free(out);
    g_free(err);
    return data;
}

/* ---- sockets ---- */

static gboolean serve(GThreadedSocketService *service,
                      GSocketConnection *connection, GObject *source,
                      gpointer data)
{
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    gchar buffer[64];
    gssize size;

    (void)service, (void)source, (void)data;
    while ((size = g_input_stream_read(in, buffer, sizeof buffer, NULL, NULL)) >
           0) {
        g_usleep(1000);
        if (!g_output_stream_write_all(out, buffer, (gsize)size, NULL, NULL,
                                       NULL))
            break;
    }
    return TRUE;
}

static gint clients;

static gpointer ask_server(gpointer data)
{
    GSocketClient *client = g_socket_client_new();
    GSocketConnection *connection = g_socket_client_connect_to_host(
        client, "localhost", (guint16)GPOINTER_TO_UINT(data), NULL, NULL);

    for (int i = 0; i < 10 && connection != NULL; i++) {
        GInputStream *in =
            g_io_stream_get_input_stream(G_IO_STREAM(connection));
        GOutputStream *out =
            g_io_stream_get_output_stream(G_IO_STREAM(connection));
        gchar buffer[5] = "";

        if (g_output_stream_write_all(out, "hello", 5, NULL, NULL, NULL) &&
            g_input_stream_read_all(in, buffer, 5, NULL, NULL, NULL) &&
            memcmp(buffer, "hello", 5) == 0)
            g_atomic_int_inc(&count);
    }
    if (connection != NULL)
        g_object_unref(connection);
    g_object_unref(client);
    if (g_atomic_int_add(&clients, 1) + 1 == THREADS)
        g_main_loop_quit(loop);
    return NULL;
}

static gpointer many_clients(gpointer data)
{
    in_threads(ask_server, data);
    return NULL;
}

static void sockets(void)
{
    GSocketService *service = g_threaded_socket_service_new(THREADS);
    guint16 port = g_socket_listener_add_any_inet_port(
        G_SOCKET_LISTENER(service), NULL, NULL);
    GThread *asking;

    g_signal_connect(service, "run", G_CALLBACK(serve), NULL);
    g_socket_service_start(service);
    asking = g_thread_new("clients", many_clients, GUINT_TO_POINTER(port));
    run_loop("sockets");
    g_thread_join(asking);
    g_socket_service_stop(service);
    g_object_unref(service);
    say("threaded socket service");
}

/* ---- GTask: work on GIO's own threads, its end in the loop ---- */

static void in_task(GTask *task, gpointer source, gpointer data,
                    GCancellable *cancellable)
{
    (void)source, (void)data, (void)cancellable;
    g_usleep(2000);
    g_task_return_int(task, 1);
}

static void task_done(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)source, (void)data;
    if (g_task_propagate_int(G_TASK(result), NULL) == 1 &&
        g_atomic_int_add(&count, 1) + 1 == 2 * THREADS)
        g_main_loop_quit(loop);
}

static void name_found(GObject *resolver, GAsyncResult *result, gpointer data)
{
    GList *found =
        g_resolver_lookup_by_name_finish(G_RESOLVER(resolver), result, NULL);

    (void)data;
    if (found != NULL && g_atomic_int_add(&count, 1) + 1 == 2 * THREADS)
        g_main_loop_quit(loop);
    g_resolver_free_addresses(found);
}

static void tasks(void)
{
    GResolver *resolver = g_resolver_get_default();

    for (int i = 0; i < THREADS; i++) {
        GTask *task = g_task_new(NULL, NULL, task_done, NULL);

        g_task_run_in_thread(task, in_task);
        g_object_unref(task);
        g_resolver_lookup_by_name_async(resolver, "localhost", NULL, name_found,
                                        NULL);
    }
    run_loop("tasks");
    g_object_unref(resolver);
    say("tasks and names");
}

int main(void)
{
    loop = g_main_loop_new(NULL, FALSE);
    in_threads(take_turns, NULL);
    g_atomic_int_set(&count, turn);
    say("turns");
    in_threads(wait_too_long, NULL);
    say("timeouts");
    in_threads(read_and_write, NULL);
    say("reads and writes");
    pools();
    queues();
    idles();
    g_timeout_add(2, tick, NULL);
    run_loop("ticks");
    say("ticks");
    in_threads(own_context, NULL);
    say("contexts");
    signals();
    children();
    in_threads(run_and_read, NULL);
    say("children read");
    sockets();
    tasks();
    g_main_loop_unref(loop);
    return 0;
}
