/* cmd_doctor_files.c - the program and its libraries: what they ask of others, and
 * system calls that they make themselves
 *
 * Libraries are those that the loader lists (`ld.so --list`, which runs nothing of
 * the program); what is loaded later by dlopen() is not among them. */
#include "monkeypatch/cmd.h"
#include "monkeypatch/doctor.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_BACK 16 /* from a system call to what sets its number */

struct file {
    const char *path, *name; /* its last component */
    const char *bytes;
    size_t size;
    bool is_program;
};

/* ---- ELF ---- */

static bool open_file(struct file *file, const char *path, bool is_program)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *bytes = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &st) == 0 &&
        st.st_size > (off_t)sizeof(Elf64_Ehdr))
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (bytes == MAP_FAILED)
        return false;
    file->path = path;
    file->name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    file->bytes = bytes;
    file->size = (size_t)st.st_size;
    file->is_program = is_program;
    return true;
}

static void close_file(struct file *file)
{
    munmap((void *)(uintptr_t)file->bytes, file->size);
}

static const void *part_of(const struct file *file, uint64_t offset,
                           uint64_t size)
{
    return offset <= file->size && size <= file->size - offset
               ? file->bytes + offset
               : NULL;
}

static const Elf64_Shdr *sections(const struct file *file, unsigned *count)
{
    const Elf64_Ehdr *head = (const void *)file->bytes;

    *count = head->e_shentsize == sizeof(Elf64_Shdr) ? head->e_shnum : 0;
    return part_of(file, head->e_shoff, (uint64_t)*count * sizeof(Elf64_Shdr));
}

/* For each symbol that it exports or imports; a true answer ends it. */
static bool each_symbol(const struct file *file,
                        bool (*each)(const struct file *, const char *name,
                                     bool is_import, const void *data),
                        const void *data)
{
    unsigned count;
    const Elf64_Shdr *all = sections(file, &count);

    for (unsigned i = 0; all != NULL && i < count; i++) {
        const Elf64_Sym *symbols;
        const char *names;

        if (all[i].sh_type != SHT_DYNSYM || all[i].sh_link >= count)
            continue;
        symbols = part_of(file, all[i].sh_offset, all[i].sh_size);
        names = part_of(file, all[all[i].sh_link].sh_offset,
                        all[all[i].sh_link].sh_size);
        for (uint64_t j = 0; symbols != NULL && names != NULL &&
                             j < all[i].sh_size / sizeof *symbols; j++)
            if (symbols[j].st_name < all[all[i].sh_link].sh_size &&
                each(file, names + symbols[j].st_name,
                     symbols[j].st_shndx == SHN_UNDEF, data))
                return true;
    }
    return false;
}

struct wanted {
    const char *name;
    bool prefix, is_import;
};

static bool is_wanted(const struct file *file, const char *name, bool is_import,
                      const void *data)
{
    const struct wanted *wanted = data;

    (void)file;
    return is_import == wanted->is_import &&
           (wanted->prefix
                ? strncmp(name, wanted->name, strlen(wanted->name)) == 0
                : strcmp(name, wanted->name) == 0);
}

static bool imports(const struct file *file, const char *name)
{
    const struct wanted wanted = { name, false, true };

    return each_symbol(file, is_wanted, &wanted);
}

static bool imports_like(const struct file *file, const char *prefix)
{
    const struct wanted wanted = { prefix, true, true };

    return each_symbol(file, is_wanted, &wanted);
}

static bool exports(const struct file *file, const char *name)
{
    const struct wanted wanted = { name, false, false };

    return each_symbol(file, is_wanted, &wanted);
}

static bool has_section(const struct file *file, const char *name)
{
    const Elf64_Ehdr *head = (const void *)file->bytes;
    unsigned count;
    const Elf64_Shdr *all = sections(file, &count);
    const char *names;

    if (all == NULL || head->e_shstrndx >= count)
        return false;
    names = part_of(file, all[head->e_shstrndx].sh_offset,
                    all[head->e_shstrndx].sh_size);
    for (unsigned i = 0; names != NULL && i < count; i++)
        if (all[i].sh_name < all[head->e_shstrndx].sh_size &&
            strcmp(names + all[i].sh_name, name) == 0)
            return true;
    return false;
}

/* ---- system calls of its own ---- */

static const struct {
    long number;
    const char *name;
} sleeping[] = {
    { SYS_futex, "futex" },
    { SYS_nanosleep, "nanosleep" },
    { SYS_clock_nanosleep, "clock_nanosleep" },
    { SYS_ppoll, "ppoll" },
    { SYS_epoll_pwait, "epoll_pwait" },
    { SYS_read, "read" },
    { SYS_write, "write" },
    { SYS_clone, "clone" },
    { SYS_io_getevents, "io_getevents" },
    { SYS_io_uring_enter, "io_uring_enter" },
#if defined(__x86_64__)
    { SYS_epoll_wait, "epoll_wait" },
    { SYS_poll, "poll" },
#endif
};
#define SLEEPING (sizeof sleeping / sizeof *sleeping)

#if defined(__x86_64__)
/* `mov $number, %eax` a little before `syscall`; -1: not there, and then these
 * bytes may be anything.  Before a byte that is 0 they are part of a number: of
 * an offset, mostly. */
static long call_at(const unsigned char *code, size_t at)
{
    uint32_t number;

    if (code[at] != 0x0f || code[at + 1] != 0x05 || code[at + 2] == 0)
        return -1;
    for (size_t back = 5; back <= LOOK_BACK && back <= at; back++)
        if (code[at - back] == 0xb8) {
            memcpy(&number, code + at - back + 1, sizeof number);
            if (number < 1024)
                return (long)number;
        }
    return -1;
}
#define STEP 1
#define CALL 3 /* what call_at() looks at */
#elif defined(__aarch64__)
/* `mov x8, #number` a little before `svc #0`. */
static long call_at(const unsigned char *code, size_t at)
{
    uint32_t word;

    memcpy(&word, code + at, sizeof word);
    if (word != 0xd4000001)
        return -1;
    for (size_t back = 4; back <= LOOK_BACK && back <= at; back += 4) {
        memcpy(&word, code + at - back, sizeof word);
        if ((word & 0xffe0001f) == 0xd2800008 ||
            (word & 0xffe0001f) == 0x52800008)
            return (long)(word >> 5 & 0xffff);
    }
    return -1;
}
#define STEP 4
#define CALL 4
#endif

static unsigned count_calls(const struct file *file, bool seen[SLEEPING])
{
    const Elf64_Ehdr *head = (const void *)file->bytes;
    const Elf64_Phdr *parts = part_of(file, head->e_phoff,
                                      (uint64_t)head->e_phnum * sizeof *parts);
    unsigned count = 0;

    for (unsigned i = 0; parts != NULL && i < head->e_phnum; i++) {
        const unsigned char *code = part_of(file, parts[i].p_offset,
                                            parts[i].p_filesz);

        if (parts[i].p_type != PT_LOAD || !(parts[i].p_flags & PF_X) ||
            code == NULL)
            continue;
        for (size_t at = 0; at + CALL <= parts[i].p_filesz; at += STEP) {
            long number = call_at(code, at);

            count += number >= 0;
            for (size_t j = 0; j < SLEEPING; j++)
                seen[j] |= number == sleeping[j].number;
        }
    }
    return count;
}

static bool is_libcs(const struct file *file)
{
    static const char *const names[] = { "libc.so", "ld-linux", "libpthread.so",
                                         "librt.so", "libdl.so", "libvireo",
                                         "linux-vdso" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(file->name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void look_at_calls(const struct file *file)
{
    bool seen[SLEEPING] = { false };
    unsigned count = count_calls(file, seen);
    char list[256] = "";

    for (size_t i = 0; i < SLEEPING; i++)
        if (seen[i])
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                     list[0] != '\0' ? ", " : "", sleeping[i].name);
    if (list[0] != '\0')
        doctor_say(DOCTOR_NOTE, "syscalls",
                   "%s makes system calls itself in %u places, among them %s: "
                   "a thread that sleeps there is seen after 10 ms, and a "
                   "helper waits for it", file->name, count, list);
}

/* ---- one file ---- */

static void look_at_go(const struct file *file)
{
    if (!has_section(file, ".gopclntab") && !has_section(file, ".go.buildinfo"))
        return;
    doctor_say(file->is_program ? DOCTOR_NOTE : DOCTOR_WARN, "go",
               file->is_program
                   ? "%s is Go: the threads of its runtime stay the kernel's"
                   : "%s is Go: all threads wait while one is in it",
               file->name);
    doctor_some_native |= file->is_program;
}

static void look_at_sanitizers(const struct file *file)
{
    if (imports(file, "__tsan_init") || exports(file, "__tsan_init"))
        doctor_say(DOCTOR_NO, "sanitizer", "%s: ThreadSanitizer knows the "
                                           "kernel's threads only",
                   file->name);
    if (file->is_program && exports(file, "pthread_create"))
        doctor_say(DOCTOR_NO, "program", "it has a pthread_create() of its own, "
                                         "in front of what is preloaded");
}

static void look_at_runtime(const struct file *file)
{
    if (file->is_program && exports(file, "vireo_api"))
        doctor_say(DOCTOR_NO, "program", "it has libvireo.a in it, and there is "
                                         "one runtime in a process");
    if (strncmp(file->name, "libvireo.so", 11) == 0)
        doctor_say(DOCTOR_NO, "libvireo", "the program links it: its threads "
                                          "stay real until it asks for others");
}

static void look_at_threads(const struct file *file)
{
    static const char *const native[] = { "libgomp.so", "libomp.so", "libomp-",
                                          "libiomp5.so" };
    const char *wanted = getenv("VIREO_NATIVE_THREADS");
    bool none = wanted != NULL && strstr(wanted, "none") != NULL;

    for (size_t i = 0; i < sizeof native / sizeof *native; i++)
        if (strncmp(file->name, native[i], strlen(native[i])) == 0) {
            doctor_say(DOCTOR_NOTE, "threads",
                       none ? "%s: threads of OpenMP would be greenlets "
                              "(VIREO_NATIVE_THREADS)"
                            : "%s: threads of OpenMP stay the kernel's",
                       file->name);
            doctor_some_native |= !none;
        }
}

static void look_at_uring(const struct file *file)
{
    if (strncmp(file->name, "liburing", 8) == 0)
        return;
    if (imports_like(file, "io_uring_"))
        doctor_say(DOCTOR_NOTE, "io_uring", "%s uses liburing: waits of its "
                                            "shared library are seen, those "
                                            "that are inline after 10 ms",
                   file->name);
    if (imports(file, "io_getevents"))
        doctor_say(DOCTOR_NOTE, "libaio", "%s uses libaio", file->name);
}

/* "stable release version 2.36." */
static void look_at_libc(const struct file *file)
{
    static const char before[] = "release version ";
    const char *at;
    unsigned major, minor;

    if (strcmp(file->name, "libc.so.6") != 0)
        return;
    at = memmem(file->bytes, file->size, before, sizeof before - 1);
    if (at != NULL &&
        sscanf(at + sizeof before - 1, "%u.%u", &major, &minor) == 2)
        doctor_say(DOCTOR_OK, "libc", "glibc %u.%u (2.34 or later is needed)",
                   major, minor);
    else
        doctor_say(DOCTOR_OK, "libc", "%s", file->path);
}

static void look_at(const char *path, bool is_program)
{
    struct file file;

    if (!open_file(&file, path, is_program))
        return;
    look_at_libc(&file);
    look_at_runtime(&file);
    look_at_sanitizers(&file);
    look_at_go(&file);
    if (!is_libcs(&file)) {
        look_at_threads(&file);
        look_at_uring(&file);
        look_at_calls(&file);
    }
    close_file(&file);
}

/* ---- all ---- */

/* "\tlibm.so.6 => /lib/.../libm.so.6 (0x...)", or "\t/opt/libx.so (0x...)" where it
 * is linked by its path. */
static void take_line(char *line)
{
    static const char failed[] = "error while loading shared libraries: ";
    char *arrow = strstr(line, " => "), *end;
    const char *path = arrow != NULL ? arrow + 4 : line + strspn(line, "\t");
    const char *error = strstr(line, failed);

    if (error != NULL) {
        doctor_say(DOCTOR_WARN, "library", "%.*s", (int)strcspn(error, "\n"),
                   error);
        return;
    }
    if (arrow != NULL && strncmp(path, "not found", 9) == 0) {
        doctor_say(DOCTOR_WARN, "library", "%.*s is not found",
                   (int)(arrow - line - 1), line + 1);
        return;
    }
    end = strstr(path, " (0x");
    if (*path != '/' || end == NULL)
        return;
    *end = '\0';
    look_at(path, false);
}

/* By the name that the kernel would give it: $ORIGIN goes by that, and the program
 * may be found by a link. */
static void list_libraries(const char *loader, const char *program)
{
    char real[PATH_MAX], *line = NULL;
    size_t room = 0;
    int ends[2];
    FILE *from;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    if (realpath(program, real) != NULL)
        program = real;
    child = fork();
    if (child == 0) {
        unsetenv("LD_PRELOAD");
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execl(loader, loader, "--list", program, (char *)NULL);
        _exit(CMD_CANNOT_RUN);
    }
    close(ends[1]);
    from = fdopen(ends[0], "r");
    while (from != NULL && getline(&line, &room, from) > 0)
        take_line(line);
    free(line);
    if (from != NULL)
        fclose(from);
    if (child > 0)
        waitpid(child, NULL, 0);
}

void doctor_files(const char *program, const char *loader)
{
    fflush(stdout);
    look_at(program, true);
    list_libraries(loader, program);
}
