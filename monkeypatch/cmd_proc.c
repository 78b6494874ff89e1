/* cmd_proc.c - what /proc says of a process */
#include "monkeypatch/target.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_of(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return fopen(path, "re");
}

bool proc_memory(pid_t pid, struct proc_memory *memory)
{
    FILE *file = open_of(pid, "status");
    char line[256];

    memset(memory, 0, sizeof *memory);
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "VmRSS: %ld", &memory->rss_kb);
        sscanf(line, "VmPTE: %ld", &memory->pte_kb);
        sscanf(line, "VmSwap: %ld", &memory->swap_kb);
    }
    fclose(file);
    return true;
}

long proc_sockets(pid_t pid)
{
    char path[64], to[32];
    struct dirent *entry;
    long count = 0;
    DIR *folder;

    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    folder = opendir(path);
    if (folder == NULL)
        return -1;
    while ((entry = readdir(folder)) != NULL) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, to,
                                    sizeof to);

        if (length > 8 && memcmp(to, "socket:[", 8) == 0)
            count++;
    }
    closedir(folder);
    return count;
}

void proc_name(pid_t pid, char *text, size_t size)
{
    FILE *file = open_of(pid, "comm");

    if (file == NULL || fgets(text, (int)size, file) == NULL)
        snprintf(text, size, "?");
    text[strcspn(text, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
}

void proc_command(pid_t pid, char *text, size_t size)
{
    FILE *file = open_of(pid, "cmdline");
    size_t got = file != NULL ? fread(text, 1, size - 1, file) : 0;

    if (file != NULL)
        fclose(file);
    while (got > 0 && text[got - 1] == '\0')
        got--;
    text[got] = '\0';
    for (size_t i = 0; i < got; i++)
        if (!isprint((unsigned char)text[i]))
            text[i] = ' ';
    if (got > 0)
        return;
    text[0] = '[';
    proc_name(pid, text + 1, size - 2);
    strcat(text, "]");
}

long proc_cpu_ms(pid_t pid)
{
    FILE *file = open_of(pid, "stat");
    char line[1024];
    unsigned long user = 0, system = 0;
    const char *at = NULL;

    if (file != NULL && fgets(line, sizeof line, file) != NULL)
        at = strrchr(line, ')');
    if (file != NULL)
        fclose(file);
    if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
                                     "%*u %lu %lu", &user, &system) != 2)
        return -1;
    return (long)((user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}
