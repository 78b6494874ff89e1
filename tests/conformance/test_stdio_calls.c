/* stdio: what each call does to a file, spelling by spelling */
#include "conformance.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* Spellings that headers use or used, and offer to nobody. */
int real_scanf(const char *format, ...) __asm__("scanf");
int real_fscanf(FILE *file, const char *format, ...) __asm__("fscanf");
int real_vscanf(const char *format, va_list list) __asm__("vscanf");
int real_vfscanf(FILE *file, const char *format, va_list list)
    __asm__("vfscanf");
int real_fwscanf(FILE *file, const wchar_t *format, ...) __asm__("fwscanf");
int real_vfwscanf(FILE *file, const wchar_t *format, va_list list)
    __asm__("vfwscanf");
int real_wscanf(const wchar_t *format, ...) __asm__("wscanf");
int real_vwscanf(const wchar_t *format, va_list list) __asm__("vwscanf");
int __isoc99_fscanf(FILE *file, const char *format, ...);
int __isoc99_vfscanf(FILE *file, const char *format, va_list list);
int __isoc99_fwscanf(FILE *file, const wchar_t *format, ...);
int __isoc99_vfwscanf(FILE *file, const wchar_t *format, va_list list);
int __isoc99_scanf(const char *format, ...);
int __isoc99_vscanf(const char *format, va_list list);
int __isoc99_wscanf(const wchar_t *format, ...);
int __isoc99_vwscanf(const wchar_t *format, va_list list);
int __printf_chk(int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list list);
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list list);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list list);
int __wprintf_chk(int flag, const wchar_t *format, ...);
int __fwprintf_chk(FILE *file, int flag, const wchar_t *format, ...);
int __vwprintf_chk(int flag, const wchar_t *format, va_list list);
int __vfwprintf_chk(FILE *file, int flag, const wchar_t *format, va_list list);
wchar_t *__fgetws_chk(wchar_t *buf, size_t size, int room, FILE *file);
char *__fgets_unlocked_chk(char *buf, size_t size, int room, FILE *file);
size_t __fread_unlocked_chk(void *buf, size_t room, size_t size, size_t count,
                            FILE *file);

static char dir[CONF_PATH], path[CONF_PATH + 8], text[4000];
static FILE *file;
static int old_out, old_in;

/* The file, as stdout and (from its beginning) as stdin too. */
static void setup(void)
{
    fflush(stdout);
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    file = fopen(path, "w+e");
    ck_assert_ptr_nonnull(file);
    old_out = dup(STDOUT_FILENO);
    old_in = dup(STDIN_FILENO);
    ck_assert_ptr_nonnull(freopen(path, "a", stdout));
    ck_assert_ptr_nonnull(freopen64(path, "r", stdin));
}

static void teardown(void)
{
    ck_assert_int_eq(fclose(file), 0);
    /* Back to bytes, which only freopen() does. */
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
    ck_assert_ptr_nonnull(freopen("/dev/null", "r", stdin));
    dup2(old_out, STDOUT_FILENO);
    dup2(old_in, STDIN_FILENO);
    close(old_out);
    close(old_in);
    unlink(path);
    rmdir(dir);
}

/* What the file holds, read without stdio. */
static const char *content(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void holds(const char *wanted)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    conf_write_all(fd, wanted, strlen(wanted));
    close(fd);
    rewind(file);
}

static int list_to(int which, int fd, const char *format, ...)
{
    va_list list;
    int n = -1;

    va_start(list, format);
    switch (which) {
    case 0: n = vprintf(format, list); break;
    case 1: n = vfprintf(stdout, format, list); break;
    case 2: n = __vprintf_chk(1, format, list); break;
    case 3: n = __vfprintf_chk(stdout, 1, format, list); break;
    case 4: n = vdprintf(fd, format, list); break;
    case 5: n = __vdprintf_chk(fd, 1, format, list); break;
    }
    va_end(list);
    return n;
}

START_TEST(printf_by_every_name)
{
    ck_assert_int_eq(printf("%d,", 1), 2);
    ck_assert_int_eq(fprintf(stdout, "%s,", "two"), 4);
    ck_assert_int_eq(__printf_chk(1, "%d,", 3), 2);
    for (int which = 0; which < 4; which++)
        ck_assert_int_eq(list_to(which, 0, "%d-%s,", which, "x"), 4);
    ck_assert_int_eq(fflush(stdout), 0);
    for (int which = 4; which < 6; which++)
        ck_assert_int_eq(list_to(which, STDOUT_FILENO, "%d-%s,", which, "x"),
                         4);
    ck_assert_int_eq(dprintf(STDOUT_FILENO, "%c", 'd'), 1);
    ck_assert_int_eq(__dprintf_chk(STDOUT_FILENO, 1, "%c", 'e'), 1);
    ck_assert_str_eq(content(), "1,two,3,0-x,1-x,2-x,3-x,4-x,5-x,de");
}
END_TEST

START_TEST(printf_numbers_that_need_all_registers)
{
    ck_assert_int_eq(printf("%d %d %d %d %d %d %d %g %g %g %g %g %g %g %g %g",
                            1, 2, 3, 4, 5, 6, 7, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5,
                            7.5, 8.5, 9.5), 49);
    fflush(stdout);
    ck_assert_str_eq(content(), "1 2 3 4 5 6 7 1.5 2.5 3.5 4.5 5.5 6.5 7.5 8.5 "
                                "9.5");
}
END_TEST

START_TEST(bytes_out_by_every_name)
{
    ck_assert_int_eq(putchar('a'), 'a');
    ck_assert_int_eq(putchar_unlocked('b'), 'b');
    ck_assert_int_eq(putc('c', stdout), 'c');
    ck_assert_int_eq(fputc('d', stdout), 'd');
    ck_assert_int_eq(fputc_unlocked('e', stdout), 'e');
    ck_assert_int_ge(fputs("fg", stdout), 0);
    ck_assert_int_ge(fputs_unlocked("h", stdout), 0);
    ck_assert_int_ge(puts("i"), 0);
    ck_assert_uint_eq(fwrite("jkl", 1, 3, stdout), 3);
    ck_assert_uint_eq(fwrite_unlocked("mn", 2, 1, stdout), 1);
    ck_assert_int_eq(putw(0x6f6f6f6f, stdout), 0);
    ck_assert_int_eq(fflush_unlocked(stdout), 0);
    ck_assert_str_eq(content(), "abcdefghi\njklmnoooo");
}
END_TEST

START_TEST(bytes_in_by_every_name)
{
    char buf[20];
    int word = 0x71717171;

    holds("abcdef12\n34\n56xy7890123qqqq");
    ck_assert_int_eq(getchar(), 'a');
    ck_assert_int_eq(getchar_unlocked(), 'b');
    ck_assert_int_eq(getc(stdin), 'c');
    ck_assert_int_eq(fgetc(stdin), 'd');
    ck_assert_int_eq(fgetc_unlocked(stdin), 'e');
    ck_assert_int_eq(getc_unlocked(stdin), 'f');
    ck_assert_int_eq(ungetc('F', stdin), 'F');
    ck_assert_int_eq(getc(stdin), 'F');
    ck_assert_str_eq(fgets(buf, sizeof buf, stdin), "12\n");
    ck_assert_str_eq(fgets_unlocked(buf, sizeof buf, stdin), "34\n");
    ck_assert_str_eq(__fgets_unlocked_chk(buf, sizeof buf, 3, stdin), "56");
    ck_assert_uint_eq(fread(buf, 1, 2, stdin), 2);
    ck_assert_uint_eq(fread_unlocked(buf + 2, 2, 2, stdin), 2);
    ck_assert_uint_eq(__fread_unlocked_chk(buf + 6, 14, 1, 3, stdin), 3);
    ck_assert_mem_eq(buf, "xy7890123", 9);
    ck_assert_int_eq(getw(stdin), word);
    ck_assert_int_eq(getchar(), EOF);
    ck_assert_int_ne(feof(stdin), 0);
    clearerr(stdin);
    ck_assert_int_eq(feof(stdin), 0);
    ck_assert_int_eq(ferror(stdin), 0);
}
END_TEST

START_TEST(lines_in_by_every_name)
{
    char buf[20], *line = NULL;
    size_t room = 0;
    char *(*gets_chk)(char *, size_t); /* the linker warns of its name */

    holds("one\ntwo;three\nfour\n");
    *(void **)&gets_chk = dlsym(RTLD_DEFAULT, "__gets_chk");
    ck_assert_ptr_nonnull(gets_chk(buf, sizeof buf));
    ck_assert_str_eq(buf, "one");
    ck_assert_int_eq(getdelim(&line, &room, ';', stdin), 4);
    ck_assert_str_eq(line, "two;");
    ck_assert_int_eq(getline(&line, &room, stdin), 6);
    ck_assert_str_eq(line, "three\n");
    ck_assert_int_eq(getline(&line, &room, stdin), 5);
    ck_assert_int_eq(getline(&line, &room, stdin), -1);
    free(line);
}
END_TEST

static int scan_list(int which, const char *format, ...)
{
    va_list list;
    int n = -1;

    va_start(list, format);
    switch (which) {
    case 0: n = real_vscanf(format, list); break;
    case 1: n = real_vfscanf(stdin, format, list); break;
    case 2: n = __isoc99_vscanf(format, list); break;
    case 3: n = __isoc99_vfscanf(stdin, format, list); break;
    }
    va_end(list);
    return n;
}

START_TEST(scanf_by_every_name)
{
    int number = 0;
    char word[10];

    holds("1 a 2 b 3 c 4 d 5 6 7 8 x");
    ck_assert_int_eq(real_scanf("%d %9s", &number, word), 2);
    ck_assert_int_eq(real_fscanf(stdin, "%d %9s", &number, word), 2);
    ck_assert_int_eq(__isoc99_scanf("%d %9s", &number, word), 2);
    ck_assert_int_eq(__isoc99_fscanf(stdin, "%d %9s", &number, word), 2);
    ck_assert_int_eq(number, 4);
    ck_assert_str_eq(word, "d");
    for (int which = 0; which < 4; which++) {
        ck_assert_int_eq(scan_list(which, "%d", &number), 1);
        ck_assert_int_eq(number, 5 + which);
    }
    ck_assert_int_eq(real_scanf("%d", &number), 0);
    ck_assert_int_eq(getchar(), 'x');
    ck_assert_int_eq(real_scanf("%d", &number), EOF);
}
END_TEST

START_TEST(positions_by_every_name)
{
    fpos_t position;
    fpos64_t wide;

    holds("0123456789");
    ck_assert_int_eq(fseek(file, 3, SEEK_SET), 0);
    ck_assert_int_eq(getc(file), '3');
    ck_assert_int_eq(ftell(file), 4);
    ck_assert_int_eq(fgetpos(file, &position), 0);
    ck_assert_int_eq(fseeko(file, -1, SEEK_END), 0);
    ck_assert_int_eq(ftello(file), 9);
    ck_assert_int_eq(fsetpos(file, &position), 0);
    ck_assert_int_eq(getc(file), '4');
    ck_assert_int_eq(fgetpos64(file, &wide), 0);
    ck_assert_int_eq(fseeko64(file, 2, SEEK_CUR), 0);
    ck_assert_int_eq(ftello64(file), 7);
    ck_assert_int_eq(fsetpos64(file, &wide), 0);
    ck_assert_int_eq(getc(file), '5');
    rewind(file);
    ck_assert_int_eq(getc(file), '0');
    errno = 0;
    ck_assert_int_eq(fseek(file, -1, SEEK_SET), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(buffers_by_every_name)
{
    static char buffer[BUFSIZ];

    setbuffer(file, buffer, 100);
    ck_assert_uint_eq(__fbufsize(file), 100);
    ck_assert_int_eq(setvbuf(file, NULL, _IONBF, 0), 0);
    ck_assert_int_ge(fputs("x", file), 0);
    ck_assert_str_eq(content(), "x");
    setbuf(file, buffer);
    ck_assert_uint_eq(__fbufsize(file), BUFSIZ);
    ck_assert_int_ge(fputs("y", file), 0);
    ck_assert_str_eq(content(), "x");
    setlinebuf(file);
    ck_assert_int_ge(fputs("z\n", file), 0);
    ck_assert_str_eq(content(), "xyz\n");
    setbuf(file, NULL);
}
END_TEST

static int wide_list_to(int which, const wchar_t *format, ...)
{
    va_list list;
    int n = -1;

    va_start(list, format);
    switch (which) {
    case 0: n = vwprintf(format, list); break;
    case 1: n = vfwprintf(stdout, format, list); break;
    case 2: n = __vwprintf_chk(1, format, list); break;
    case 3: n = __vfwprintf_chk(stdout, 1, format, list); break;
    }
    va_end(list);
    return n;
}

START_TEST(wide_output_by_every_name)
{
    ck_assert_int_eq(wprintf(L"%d,", 1), 2);
    ck_assert_int_eq(fwprintf(stdout, L"%d,", 2), 2);
    ck_assert_int_eq(__wprintf_chk(1, L"%d,", 3), 2);
    ck_assert_int_eq(__fwprintf_chk(stdout, 1, L"%d,", 4), 2);
    for (int which = 0; which < 4; which++)
        ck_assert_int_eq(wide_list_to(which, L"%d,", 5 + which), 2);
    ck_assert_uint_eq(putwchar(L'a'), L'a');
    ck_assert_uint_eq(putwc(L'b', stdout), L'b');
    ck_assert_uint_eq(fputwc(L'c', stdout), L'c');
    ck_assert_int_ge(fputws(L"de", stdout), 0);
    fflush(stdout);
    ck_assert_str_eq(content(), "1,2,3,4,5,6,7,8,abcde");
}
END_TEST

static int wide_scan_list(int which, const wchar_t *format, ...)
{
    va_list list;
    int n = -1;

    va_start(list, format);
    switch (which) {
    case 0: n = real_vwscanf(format, list); break;
    case 1: n = real_vfwscanf(stdin, format, list); break;
    case 2: n = __isoc99_vwscanf(format, list); break;
    case 3: n = __isoc99_vfwscanf(stdin, format, list); break;
    }
    va_end(list);
    return n;
}

START_TEST(wide_input_by_every_name)
{
    wchar_t buf[20];
    int number = 0;

    holds("abcde\nfgh\n1 2 3 4 5 6 7 8");
    ck_assert_uint_eq(getwchar(), L'a');
    ck_assert_uint_eq(getwc(stdin), L'b');
    ck_assert_uint_eq(fgetwc(stdin), L'c');
    ck_assert_uint_eq(ungetwc(L'C', stdin), L'C');
    ck_assert_uint_eq(getwchar(), L'C');
    ck_assert_int_eq(wcscmp(fgetws(buf, 20, stdin), L"de\n"), 0);
    ck_assert_int_eq(wcscmp(__fgetws_chk(buf, 20, 20, stdin), L"fgh\n"), 0);
    ck_assert_int_eq(real_wscanf(L"%d", &number), 1);
    ck_assert_int_eq(real_fwscanf(stdin, L"%d", &number), 1);
    ck_assert_int_eq(__isoc99_wscanf(L"%d", &number), 1);
    ck_assert_int_eq(__isoc99_fwscanf(stdin, L"%d", &number), 1);
    ck_assert_int_eq(number, 4);
    for (int which = 0; which < 4; which++) {
        ck_assert_int_eq(wide_scan_list(which, L"%d", &number), 1);
        ck_assert_int_eq(number, 5 + which);
    }
    ck_assert_uint_eq(getwchar(), WEOF);
}
END_TEST

/* Everything again with other threads about: the calls take other ways then. */
static void *idle(void *stop)
{
    while (!*(volatile bool *)stop)
        sleep_ms(1);
    return NULL;
}

static bool stop_idle;
static pthread_t idler;

static void setup_with_threads(void)
{
    stop_idle = false;
    idler = start_thread(idle, &stop_idle);
    sleep_ms(2);
    setup();
}

static void teardown_with_threads(void)
{
    teardown();
    stop_idle = true;
    join_thread(idler);
}

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, setup_with_threads, teardown_with_threads);
    conf_test(tcase, printf_by_every_name, 1);
    conf_test(tcase, printf_numbers_that_need_all_registers, 1);
    conf_test(tcase, bytes_out_by_every_name, 1);
    conf_test(tcase, bytes_in_by_every_name, 1);
    conf_test(tcase, lines_in_by_every_name, 1);
    conf_test(tcase, scanf_by_every_name, 1);
    conf_test(tcase, positions_by_every_name, 1);
    conf_test(tcase, buffers_by_every_name, 1);
    conf_test(tcase, wide_output_by_every_name, 1);
    conf_test(tcase, wide_input_by_every_name, 1);
}

int main(void)
{
    return conf_main("stdio_calls", add, CONF_THREADS);
}
