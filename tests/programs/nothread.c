/* nothread.c - a program that never makes a thread
 *
 * usage: nothread [count]
 * Reads /dev/zero and writes /dev/null `count` times, then tells what a
 * program can see of its own process: fds, threads, __libc_single_threaded.
 * Ends with status 7. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/single_threaded.h>
#include <unistd.h>

static void list(const char *path, const char *what)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int n = 0, highest = 0;

    while (folder && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        n++;
        if (atoi(entry->d_name) > highest)
            highest = atoi(entry->d_name);
    }
    if (folder)
        closedir(folder);
    printf("%s: %d", what, n);
    if (what[0] == 'f')
        printf(", highest %d", highest);
    putchar('\n');
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000;
    int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
    char buf[64];

    for (long i = 0; i < count; i++)
        if (read(in, buf, sizeof buf) != sizeof buf ||
            write(out, buf, sizeof buf) != sizeof buf)
            return 1;
    list("/proc/self/fd", "fds");
    list("/proc/self/task", "threads");
    printf("in %d out %d\n", in, out);
    printf("single threaded: %d\n", __libc_single_threaded);
    return 7;
}
