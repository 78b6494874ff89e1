/* cmd_inspect.c - finding a program, and what keeps a library from being
 * preloaded into it
 *
 * ld.so is silent about all of these: the program would simply run natively. */
#include "monkeypatch/cmd.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#define OUR_NAME "x86-64"
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#define OUR_NAME "aarch64"
#endif

#define SCRIPT_DEPTH 5 /* the kernel follows as many #! lines */

/* ---- finding ---- */

static int look_at(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == EACCES ? CMD_CANNOT_RUN : CMD_NOT_FOUND;
    if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
        return CMD_CANNOT_RUN;
    return 0;
}

int cmd_find(const char *name, char path[PATH_MAX])
{
    const char *list = getenv("PATH"), *end;
    int result = CMD_NOT_FOUND;

    if (strchr(name, '/') != NULL) {
        if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
            return CMD_NOT_FOUND;
        return look_at(path);
    }
    if (list == NULL)
        list = "/bin:/usr/bin";
    for (; *name != '\0'; list = end + 1) {
        int length, rc;

        end = list + strcspn(list, ":");
        /* An empty entry is the current folder. */
        length = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - list), list,
                          end == list ? "./" : "/", name);
        rc = length < PATH_MAX ? look_at(path) : CMD_NOT_FOUND;
        if (rc == 0)
            return 0;
        if (rc == CMD_CANNOT_RUN)
            result = rc; /* execvp() goes on, too */
        if (*end == '\0')
            break;
    }
    return result;
}

/* ---- what kind of file ---- */

static char inspected[PATH_MAX], loader_found[PATH_MAX];

const char *cmd_inspected(void)
{
    return inspected;
}

const char *cmd_loader(void)
{
    return loader_found;
}

/* What works without the library, and does so unless its user wants none of that
 * (--require). */
static int go_native(const char *path, const char *why)
{
    const char *require = getenv("VIREO_REQUIRE");

    if (require != NULL && strcmp(require, "1") == 0) {
        cmd_say("%s: %s", path, why);
        return CMD_CANNOT_RUN;
    }
    cmd_say("%s: %s; running native", path, why);
    return CMD_NATIVE;
}

/* From glibc 2.34 on ld.so has symbols of that version.  One that cannot be read
 * speaks for itself. */
static bool is_old(const char *loader)
{
    static const char version[] = "GLIBC_2.34";
    int fd = open(loader, O_RDONLY | O_CLOEXEC);
    bool old = false;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        void *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (text != MAP_FAILED) {
            old = memmem(text, size, version, sizeof version) == NULL;
            munmap(text, size);
        }
    }
    if (fd >= 0)
        close(fd);
    return old;
}

static int refuse(const char *path, const char *why)
{
    cmd_say("%s: %s", path, why);
    return CMD_CANNOT_RUN;
}

/* ld.so ignores LD_PRELOAD where a program gets rights that its caller has
 * not. */
static int inspect_rights(const char *path, const struct stat *st)
{
    if (st->st_mode & S_ISUID)
        return refuse(path, "a setuid program: nothing can be preloaded");
    if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        return refuse(path, "a setgid program: nothing can be preloaded");
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        return refuse(path, "a program with file capabilities: nothing can be "
                            "preloaded");
    return 0;
}

static int inspect_loader(const char *path, const char *loader)
{
    const char *name = strrchr(loader, '/');

    name = name != NULL ? name + 1 : loader;
    if (strncmp(name, "ld-musl-", 8) == 0)
        return go_native(path, "linked to musl: Vireo works with glibc only");
    if (strncmp(name, "ld-linux-", 9) != 0) {
        cmd_say("%s: its loader %s is not glibc's", path, loader);
        return CMD_CANNOT_RUN;
    }
    if (access(loader, X_OK) < 0) {
        cmd_say("%s: its loader %s cannot be executed", path, loader);
        return CMD_CANNOT_RUN;
    }
    if (is_old(loader))
        return go_native(path, "its glibc is older than 2.34");
    return 0;
}

static int inspect_segments(const char *path, int fd, const Elf64_Ehdr *elf)
{
    char loader[PATH_MAX];
    unsigned i;

    for (i = 0; i < elf->e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(elf->e_phoff + i * sizeof segment);
        ssize_t got;

        if (pread(fd, &segment, sizeof segment, at) != sizeof segment)
            return refuse(path, "a damaged program: its headers end too soon");
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz == 0 || segment.p_filesz >= sizeof loader)
            return refuse(path, "a damaged program: its loader has no name");
        got = pread(fd, loader, segment.p_filesz, (off_t)segment.p_offset);
        if (got != (ssize_t)segment.p_filesz)
            return refuse(path, "a damaged program: its headers end too soon");
        loader[got] = '\0';
        strcpy(loader_found, loader);
        return inspect_loader(path, loader);
    }
    return refuse(path, "a static program: nothing can be preloaded");
}

static int inspect_elf(const char *path, int fd, const void *head, size_t size)
{
    Elf64_Ehdr elf;

    if (size < EI_NIDENT)
        return refuse(path, "a damaged program: its headers end too soon");
    snprintf(inspected, sizeof inspected, "%s", path);
    memset(&elf, 0, sizeof elf);
    memcpy(&elf, head, size < sizeof elf ? size : sizeof elf);
    if (elf.e_ident[EI_CLASS] == ELFCLASS32)
        return refuse(path, "a 32-bit program: this Vireo is for " OUR_NAME);
    if (elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_machine != OUR_MACHINE)
        return refuse(path, "a program for another architecture: this Vireo "
                            "is for " OUR_NAME);
    if (size < sizeof elf || elf.e_phentsize != sizeof(Elf64_Phdr))
        return refuse(path, "a damaged program: its headers end too soon");
    if (elf.e_type != ET_EXEC && elf.e_type != ET_DYN)
        return refuse(path, "an object file, not a program");
    return inspect_segments(path, fd, &elf);
}

static int inspect_file(const char *path, int depth);

/* `#!/usr/bin/env python3`: env is not what will run. */
static int inspect_env(const char *argument, int depth)
{
    char path[PATH_MAX];

    argument += strspn(argument, " \t");
    if (*argument == '\0' || *argument == '-' || strchr(argument, '=') ||
        cmd_find(argument, path) != 0)
        return 0; /* env will say what it thinks of it */
    return inspect_file(path, depth);
}

static int inspect_script(const char *path, char *line, int depth)
{
    char *name, *argument;
    const char *base;
    int rc;

    line[strcspn(line, "\n")] = '\0';
    name = line + strspn(line, " \t");
    argument = name + strcspn(name, " \t");
    if (*argument != '\0')
        *argument++ = '\0';
    if (*name == '\0')
        return refuse(path, "its #! line names no interpreter");
    if (depth == SCRIPT_DEPTH)
        return refuse(path, "its #! line leads from script to script");
    if (access(name, X_OK) < 0) {
        cmd_say("%s: its interpreter %s cannot be executed", path, name);
        return CMD_CANNOT_RUN;
    }
    rc = inspect_file(name, depth + 1);
    base = strrchr(name, '/');
    if (rc == 0 && base != NULL && strcmp(base, "/env") == 0)
        rc = inspect_env(argument, depth + 1);
    return rc;
}

static int inspect_file(const char *path, int depth)
{
    char head[512];
    struct stat st;
    ssize_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0 || fstat(fd, &st) < 0) {
        /* It may be executed and not read: nothing more can be known. */
        if (fd >= 0)
            close(fd);
        return stat(path, &st) == 0 ? inspect_rights(path, &st) : 0;
    }
    size = pread(fd, head, sizeof head - 1, 0);
    if (size < 0)
        size = 0;
    head[size] = '\0';
    if (size >= 2 && memcmp(head, "#!", 2) == 0)
        rc = inspect_script(path, head + 2, depth); /* its s bits are void */
    else if (size >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
        rc = inspect_rights(path, &st) != 0
                 ? CMD_CANNOT_RUN
                 : inspect_elf(path, fd, head, (size_t)size);
    else
        rc = refuse(path, "neither a program nor a script with a #! line");
    close(fd);
    return rc;
}

int cmd_inspect(const char *path)
{
    return inspect_file(path, 0);
}
