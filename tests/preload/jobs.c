/* jobs.c - several cases at a time, each judged by a process of its own
 *
 * A worker is the parent of all that its case leaves, and ends with it: by
 * itself, by SIGTERM from here, or because we are gone (PR_SET_PDEATHSIG).  It
 * answers with its verdict on a pipe, which holds one whole. */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64 };

static struct job {
    pid_t worker; /* 0: free */
    int index, answer;
    size_t got;
    struct verdict *verdict;
} jobs[JOBS_MAX];

static int reported; /* of the cases */

/* ---- in the worker ---- */

static _Noreturn void be_the_worker(const struct a_case *one, pid_t parent,
                                    int answer)
{
    static struct verdict verdict;
    char folder[sizeof settings.folder + 24];
    const char *at = (const char *)&verdict;
    ssize_t put;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    run_prepare(true);
    if (getppid() != parent)
        _exit(CANNOT_RUN);
    snprintf(folder, sizeof folder, "%s/%d", settings.folder, (int)getpid());
    judge(one, folder, &verdict);
    while (at < (const char *)(&verdict + 1) &&
           (put = write(answer, at,
                        (size_t)((const char *)(&verdict + 1) - at))) > 0)
        at += put;
    _exit(0);
}

static bool begin(struct job *job, int index)
{
    pid_t parent = getpid();
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    job->worker = fork();
    if (job->worker == 0) {
        close(ends[0]);
        be_the_worker(&cases[index], parent, ends[1]);
    }
    close(ends[1]);
    if (job->worker < 0) {
        close(ends[0]);
        job->worker = 0;
        return false;
    }
    job->index = index;
    job->answer = ends[0];
    job->got = 0;
    job->verdict = calloc(1, sizeof *job->verdict);
    return job->verdict != NULL;
}

/* ---- answers ---- */

static void report_in_order(void)
{
    while (reported < case_count && cases[reported].verdict != NULL) {
        report_case(reported + 1, &cases[reported]);
        reported++;
    }
    fflush(stdout);
}

static void end(struct job *job)
{
    struct verdict *verdict = job->verdict;

    close(job->answer);
    while (waitpid(job->worker, NULL, 0) < 0 && errno == EINTR)
        ;
    job->worker = 0;
    if (job->got < sizeof *verdict) {
        memset(verdict, 0, sizeof *verdict);
        verdict->outcome = UNKNOWN;
        snprintf(verdict->native.text, TEXT,
                 "the process that watches over the case has died\n");
    }
    cases[job->index].verdict = verdict;
}

static void listen_to(struct job *job)
{
    ssize_t got = read(job->answer, (char *)job->verdict + job->got,
                       sizeof *job->verdict - job->got);

    if (got > 0)
        job->got += (size_t)got;
    if (got == 0 || (got < 0 && errno != EINTR) ||
        job->got == sizeof *job->verdict)
        end(job);
}

static void wait_for_some(void)
{
    struct pollfd watch[JOBS_MAX];
    int count = (int)settings.jobs;

    for (int i = 0; i < count; i++)
        watch[i] = (struct pollfd){jobs[i].worker != 0 ? jobs[i].answer : -1,
                                   POLLIN, 0};
    if (ppoll(watch, (nfds_t)count, NULL, &run_outside) <= 0)
        return;
    for (int i = 0; i < count; i++)
        if (watch[i].revents != 0)
            listen_to(&jobs[i]);
}

/* ---- all ---- */

static void stop_all(void)
{
    for (int i = 0; i < settings.jobs; i++)
        if (jobs[i].worker != 0)
            kill(jobs[i].worker, SIGTERM);
    for (int i = 0; i < settings.jobs; i++)
        if (jobs[i].worker != 0)
            while (waitpid(jobs[i].worker, NULL, 0) < 0 && errno == EINTR)
                ;
    run_clear();
}

int jobs_run(void)
{
    int next = 0;

    while (reported < case_count && stopped_by == 0 && !ferror(stdout)) {
        int running = 0;

        for (int i = 0; i < settings.jobs; i++) {
            if (jobs[i].worker == 0 && next < case_count &&
                begin(&jobs[i], next))
                next++;
            running += jobs[i].worker != 0;
        }
        if (running == 0) {
            say("no process can be started: %s", strerror(errno));
            return -1;
        }
        wait_for_some();
        report_in_order();
    }
    stop_all();
    return ferror(stdout) ? -1 : stopped_by;
}
