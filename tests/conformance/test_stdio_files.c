/* Wide characters without the lock, all FILEs at once, and the files of lines
 * that libc reads and writes through a FILE */
#include "conf_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <gshadow.h>
#include <malloc.h>
#include <mntent.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

static FILE *in, *out;

static void open_pipe(void)
{
    int ends[2];

    conf_pipe(ends);
    in = fdopen(ends[0], "r");
    out = fdopen(ends[1], "w");
    ck_assert(in != NULL && out != NULL);
}

static void close_out(void)
{
    ck_assert_int_eq(fclose(out), 0);
    out = NULL;
}

static void close_pipe(void)
{
    ck_assert_int_eq(fclose(in), 0);
    if (out != NULL)
        close_out();
}

static void write_text(void *text)
{
    conf_write_all(fileno(out), text, strlen(text));
}

/* The text comes while the reader waits for it. */
#define LATER(text) pthread_t later = start_later(20, write_text, (void *)text)
#define JOIN join_thread(later)

wchar_t *__fgetws_unlocked_chk(wchar_t *buf, size_t size, int room, FILE *file);

START_TEST(wide_characters_are_waited_for)
{
    wchar_t text[10];

    open_pipe();
    LATER("abword\nmore\n");
    ck_assert_int_eq(fwide(in, 0), 0);
    ck_assert_int_eq(fgetwc_unlocked(in), 'a');
    ck_assert_int_gt(fwide(in, -1), 0);
    ck_assert_int_eq(getwc_unlocked(in), 'b');
    ck_assert_ptr_eq(fgetws_unlocked(text, 10, in), text);
    ck_assert(wcscmp(text, L"word\n") == 0);
    ck_assert_ptr_eq(__fgetws_unlocked_chk(text, 10, 10, in), text);
    ck_assert(wcscmp(text, L"more\n") == 0);
    JOIN;
    close_out();
    ck_assert_uint_eq(fgetwc_unlocked(in), WEOF);
    close_pipe();
}
END_TEST

START_TEST(wide_standard_input_is_waited_for)
{
    int saved = dup(STDIN_FILENO);

    open_pipe();
    ck_assert_int_eq(dup2(fileno(in), STDIN_FILENO), STDIN_FILENO);
    LATER("x");
    ck_assert_int_eq(getwchar_unlocked(), 'x');
    JOIN;
    ck_assert_int_eq(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
    close_pipe();
}
END_TEST

enum { MANY = 100000 };

static void *read_wide(void *unused)
{
    size_t got = 0;
    char bytes[4096];
    ssize_t n;

    while ((n = read(fileno(in), bytes, sizeof bytes)) > 0)
        got += (size_t)n;
    CONF_CHECK(got == 2 + 4 * MANY);
    return unused;
}

START_TEST(wide_characters_wait_for_room)
{
    pthread_t reader;

    open_pipe();
    reader = start_thread(read_wide, NULL);
    ck_assert_int_eq(fputwc_unlocked(L'a', out), 'a');
    ck_assert_int_eq(putwc_unlocked(L'b', out), 'b');
    for (int i = 0; i < MANY; i++)
        ck_assert_int_ge(fputws_unlocked(L"word", out), 0);
    close_out();
    join_thread(reader);
    close_pipe();
}
END_TEST

/* In a child: stdout becomes wide for good. */
static void put_wide(void)
{
    CONF_CHECK(dup2(fileno(out), STDOUT_FILENO) == STDOUT_FILENO);
    CONF_CHECK(putwchar_unlocked(L'w') == L'w');
    exit(0);
}

START_TEST(wide_standard_output)
{
    char byte;

    open_pipe();
    conf_assert_mapped();
    ck_assert_int_eq(run_child(put_wide), 0);
    conf_read_all(fileno(in), &byte, 1);
    ck_assert_int_eq(byte, 'w');
    close_pipe();
}
END_TEST

int _IO_flush_all(void);

START_TEST(all_are_flushed)
{
    char text[4];

    open_pipe();
    conf_assert_mapped();
    ck_assert_int_eq(fputs("one", out), 1);
    ck_assert_int_eq(_IO_flush_all(), 0);
    conf_read_all(fileno(in), text, 3);
    ck_assert_mem_eq(text, "one", 3);
    setlinebuf(out);
    ck_assert_int_eq(fputs("two", out), 1);
    _flushlbf();
    conf_read_all(fileno(in), text, 3);
    ck_assert_mem_eq(text, "two", 3);
    close_pipe();
}
END_TEST

/* In a child: it leaves no FILE that is of use. */
static void close_all(void)
{
    conf_assert_mapped();
    CONF_CHECK(fputs("last", out) == 1);
    CONF_CHECK(fcloseall() == 0);
}

START_TEST(fcloseall_flushes_all)
{
    char text[4];

    open_pipe();
    ck_assert_int_eq(run_child(close_all), 0);
    conf_read_all(fileno(in), text, 4);
    ck_assert_mem_eq(text, "last", 4);
    close_pipe();
}
END_TEST

static char room[1000];

/* libc's want to find their place again: no pipe. */
static FILE *file_of(const char *text)
{
    FILE *file = tmpfile();

    conf_assert_mapped();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    rewind(file);
    return file;
}

START_TEST(users_are_read_and_written)
{
    FILE *file = file_of("me:x:5:6:Me:/home/me:/bin/sh\n"
                         "you:x:7:8:You:/:/bin/true\n");
    struct passwd entry, *found = NULL, *plain = fgetpwent(file);

    ck_assert_ptr_nonnull(plain);
    ck_assert_str_eq(plain->pw_dir, "/home/me");
    ck_assert_int_eq(fgetpwent_r(file, &entry, room, sizeof room, &found), 0);
    ck_assert_int_eq(entry.pw_uid, 7);
    ck_assert_int_eq(fgetpwent_r(file, &entry, room, sizeof room, &found),
                     ENOENT);
    ck_assert_ptr_null(found);
    rewind(file);
    entry.pw_uid = 9;
    ck_assert_int_eq(putpwent(&entry, file), 0);
    rewind(file);
    ck_assert_int_eq(fgetpwent(file)->pw_uid, 9);
    fclose(file);
}
END_TEST

START_TEST(groups_are_read_and_written)
{
    FILE *file = file_of("ours:x:5:me,you\ntheirs:x:6:\n");
    struct group entry, *found = NULL, *plain = fgetgrent(file);

    ck_assert_ptr_nonnull(plain);
    ck_assert_str_eq(plain->gr_mem[1], "you");
    ck_assert_int_eq(fgetgrent_r(file, &entry, room, sizeof room, &found), 0);
    ck_assert_int_eq(entry.gr_gid, 6);
    rewind(file);
    ck_assert_int_eq(putgrent(&entry, file), 0);
    rewind(file);
    ck_assert_str_eq(fgetgrent(file)->gr_name, "theirs");
    fclose(file);
}
END_TEST

START_TEST(shadows_are_read_and_written)
{
    FILE *file = file_of("me:*:1:2:3:4:::\nyou:!:5::::::\n");
    struct spwd entry, *found = NULL, *plain = fgetspent(file);

    ck_assert_ptr_nonnull(plain);
    ck_assert_int_eq(plain->sp_lstchg, 1);
    ck_assert_int_eq(fgetspent_r(file, &entry, room, sizeof room, &found), 0);
    ck_assert_str_eq(entry.sp_namp, "you");
    rewind(file);
    ck_assert_int_eq(putspent(&entry, file), 0);
    rewind(file);
    ck_assert_str_eq(fgetspent(file)->sp_namp, "you");
    fclose(file);
}
END_TEST

START_TEST(shadow_groups_are_read_and_written)
{
    FILE *file = file_of("g:!:a:b\nh:*::c\n");
    struct sgrp entry, *found = NULL;

    ck_assert_str_eq(fgetsgent(file)->sg_adm[0], "a");
    ck_assert_int_eq(fgetsgent_r(file, &entry, room, sizeof room, &found), 0);
    ck_assert_str_eq(entry.sg_mem[0], "c");
    rewind(file);
    ck_assert_int_eq(putsgent(&entry, file), 0);
    rewind(file);
    ck_assert_str_eq(fgetsgent(file)->sg_namp, "h");
    fclose(file);
}
END_TEST

START_TEST(mounts_are_read_and_written)
{
    char dir[CONF_PATH], path[CONF_PATH + 8];
    struct mntent entry, *found;
    FILE *file;

    open_pipe();
    LATER("/dev/one / ext4 rw 0 1\n/dev/two /two xfs ro 0 2\n");
    found = getmntent(in);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found->mnt_fsname, "/dev/one");
    ck_assert_ptr_eq(getmntent_r(in, &entry, room, sizeof room), &entry);
    ck_assert_str_eq(entry.mnt_type, "xfs");
    JOIN;
    close_pipe();
    conf_make_dir(dir);
    snprintf(path, sizeof path, "%s/mtab", dir);
    file = setmntent(path, "w+");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(addmntent(file, &entry), 0);
    rewind(file);
    ck_assert_str_eq(getmntent(file)->mnt_dir, "/two");
    ck_assert_int_eq(endmntent(file), 1);
    unlink(path);
    rmdir(dir);
}
END_TEST

static void *drain(void *unused)
{
    char bytes[4096];

    while (read(fileno(in), bytes, sizeof bytes) > 0)
        continue;
    return unused;
}

START_TEST(malloc_info_writes_a_report)
{
    pthread_t reader;

    open_pipe();
    reader = start_thread(drain, NULL);
    ck_assert_int_eq(malloc_info(0, out), 0);
    ck_assert_int_eq(malloc_info(5, out), EINVAL);
    close_out();
    join_thread(reader);
    close_pipe();
}
END_TEST

static void add(TCase *tcase)
{
    conf_test(tcase, wide_characters_are_waited_for, 1);
    conf_test(tcase, wide_standard_input_is_waited_for, 1);
    conf_test(tcase, wide_characters_wait_for_room, 1);
    conf_test(tcase, wide_standard_output, 1);
    conf_test(tcase, all_are_flushed, 1);
    conf_test(tcase, fcloseall_flushes_all, 1);
    conf_test(tcase, users_are_read_and_written, 1);
    conf_test(tcase, groups_are_read_and_written, 1);
    conf_test(tcase, shadows_are_read_and_written, 1);
    conf_test(tcase, shadow_groups_are_read_and_written, 1);
    conf_test(tcase, mounts_are_read_and_written, 1);
    conf_test(tcase, malloc_info_writes_a_report, 1);
}

int main(void)
{
    return conf_main("stdio_files", add, CONF_THREADS);
}
