/* Folders and durable replacement. */
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#include "harness.h"

static char *in_tmp(char out[FS_PATH_MAX], const char *name)
{
    return fs_join(out, test_tmpdir(), name);
}

static void folders_are_made_with_parents(void)
{
    struct fusor_error err = {0};
    char path[FS_PATH_MAX], below[FS_PATH_MAX], big[FS_PATH_MAX + 1];

    CHECK(fs_mkdirs(in_tmp(path, "a/b//c/"), NULL) == FUSOR_OK);
    CHECK(fs_is_dir(path));
    CHECK(fs_mkdirs(path, NULL) == FUSOR_OK);
    fs_join(below, test_write("plain", "x"), "d");
    CHECK(fs_mkdirs(below, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "plain: Not a directory") != NULL);
    CHECK(fs_mkdirs("", &err) == FUSOR_EINVAL);
    memset(big, 'x', FS_PATH_MAX);
    big[FS_PATH_MAX] = '\0';
    CHECK(fs_mkdirs(big, &err) == FUSOR_EINVAL);
}

static void replacing_leaves_only_the_new(void)
{
    char folder[FS_PATH_MAX], path[FS_PATH_MAX], *data = NULL;
    struct fs_list list;
    size_t n;

    REQUIRE(fs_mkdirs(in_tmp(folder, "r"), NULL) == FUSOR_OK);
    fs_join(path, folder, "f");
    CHECK(fs_write_atomic(path, "old", 3, NULL) == FUSOR_OK);
    CHECK(fs_write_atomic(path, "newer", 5, NULL) == FUSOR_OK);
    REQUIRE(fs_read(path, 100, &data, &n, NULL) == FUSOR_OK);
    CHECK(strcmp(data, "newer") == 0);
    mem_free(data);
    CHECK(fs_replace(path, "last", 4, NULL) == FUSOR_OK);
    REQUIRE(fs_read(path, 100, &data, &n, NULL) == FUSOR_OK);
    CHECK(strcmp(data, "last") == 0);
    mem_free(data);
    REQUIRE(fs_list_dir(folder, &list, NULL) == FUSOR_OK);
    CHECK(list.n == 1 && strcmp(list.names[0], "f") == 0);
    fs_list_clear(&list);
}

static void failed_replacing_keeps_the_old(void)
{
    struct fusor_error err = {0};
    char folder[FS_PATH_MAX], target[FS_PATH_MAX];
    struct fs_list list;

    REQUIRE(fs_mkdirs(in_tmp(target, "k/f/full"), NULL) == FUSOR_OK);
    CHECK(fs_write_atomic(in_tmp(target, "k/f"), "x", 1, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, target) != NULL);
    REQUIRE(fs_list_dir(in_tmp(folder, "k"), &list, NULL) == FUSOR_OK);
    CHECK(list.n == 1); // no temporary file stays
    fs_list_clear(&list);
    CHECK(fs_write_atomic(in_tmp(target, "no/f"), "x", 1, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "No such file") != NULL);
}

static void names_are_sorted(void)
{
    static const char *const names[] = {"b", "a", "c10", "c1"};
    char folder[FS_PATH_MAX], path[FS_PATH_MAX];
    struct fs_list list;

    REQUIRE(fs_mkdirs(in_tmp(folder, "l"), NULL) == FUSOR_OK);
    REQUIRE(fs_list_dir(folder, &list, NULL) == FUSOR_OK);
    CHECK(list.n == 0);
    fs_list_clear(&list);
    for (int i = 0; i < 4; i++)
        fs_append(fs_join(path, folder, names[i]), "", 0, NULL);
    REQUIRE(fs_list_dir(folder, &list, NULL) == FUSOR_OK);
    REQUIRE(list.n == 4);
    CHECK(strcmp(list.names[0], "a") == 0 && strcmp(list.names[1], "b") == 0);
    CHECK(strcmp(list.names[2], "c1") == 0 && !strcmp(list.names[3], "c10"));
    fs_list_clear(&list);
}

static void listing_fails_clean(void)
{
    size_t before = mem_used();
    struct fusor_error err = {0};
    char path[FS_PATH_MAX], folder[FS_PATH_MAX];
    struct fs_list list;

    CHECK(fs_list_dir(in_tmp(path, "none"), &list, &err) == FUSOR_EIO);
    REQUIRE(fs_mkdirs(in_tmp(folder, "m"), NULL) == FUSOR_OK);
    fs_append(fs_join(path, folder, "1"), "", 0, NULL);
    fs_append(fs_join(path, folder, "2"), "", 0, NULL);
    for (long n = 1; n <= 3; n++) {
        mem_fail_after(n);
        CHECK(fs_list_dir(folder, &list, &err) == FUSOR_ENOMEM);
        CHECK(list.n == 0 && list.names == NULL && mem_used() == before);
    }
    mem_fail_after(0);
}

static void trees_are_removed(void)
{
    char path[FS_PATH_MAX], link[FS_PATH_MAX], kept[FS_PATH_MAX];

    REQUIRE(fs_mkdirs(in_tmp(path, "t/u/v"), NULL) == FUSOR_OK);
    REQUIRE(fs_mkdirs(in_tmp(kept, "kept"), NULL) == FUSOR_OK);
    fs_append(in_tmp(path, "t/u/file"), "x", 1, NULL);
    REQUIRE(symlink(kept, in_tmp(link, "t/link")) == 0);
    CHECK(fs_remove_tree(in_tmp(path, "t"), NULL) == FUSOR_OK);
    CHECK(!fs_exists(path) && fs_is_dir(kept));
    CHECK(fs_remove_tree(path, NULL) == FUSOR_OK);
    fs_append(path, "x", 1, NULL);
    CHECK(fs_remove_tree(path, NULL) == FUSOR_OK && !fs_exists(path));
}

static void renames_name_both_ends(void)
{
    struct fusor_error err = {0};
    char a[FS_PATH_MAX], b[FS_PATH_MAX];

    fs_append(in_tmp(a, "from"), "x", 1, NULL);
    CHECK(fs_rename(a, in_tmp(b, "to"), NULL) == FUSOR_OK && fs_exists(b));
    CHECK(fs_rename(a, b, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, a) && strstr(err.text, b));
    CHECK(fs_sync_dir(test_tmpdir(), NULL) == FUSOR_OK);
    CHECK(fs_sync_dir(b, &err) == FUSOR_EIO);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"folders are made with their parents", folders_are_made_with_parents},
        {"replacing a file leaves only the new one",
         replacing_leaves_only_the_new},
        {"a failed replacement leaves nothing behind",
         failed_replacing_keeps_the_old},
        {"names come sorted", names_are_sorted},
        {"a failed listing holds nothing", listing_fails_clean},
        {"trees are removed, links not followed", trees_are_removed},
        {"a failed rename names both ends", renames_name_both_ends},
    };

    return TEST_RUN("base.fs_dir", cases);
}
