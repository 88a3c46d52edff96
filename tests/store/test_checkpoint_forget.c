/* Rows taken out of a checkpoint. */
#include "store/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint_case.h"

#define LARGE 40000
#define KEYS 3000

static struct fusor_error err;

static const char *root(void)
{
    static char path[FS_PATH_MAX];

    return fs_join(path, test_tmpdir(), "checkpoints");
}

static const struct checkpoint_row rows[] = {
    {"user", 5}, {"user", 7}, {"item", 7}, {"user", 99999}, {"nobody", 5}};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static struct checkpoint *opened(const char *name)
{
    struct checkpoint *cp = NULL;
    char dir[FS_PATH_MAX];

    if (checkpoint_open(fs_join(dir, root(), name), &cp, &err))
        CU_FAIL(err.text);
    REQUIRE(cp != NULL);
    return cp;
}

static int has_row(struct shard *s, uint32_t table, uint64_t key)
{
    uint32_t ref;

    if (!shard_owns_key(s, table, key))
        return 0;
    shard_resolve(s, table, &key, 1, RESOLVE_PEEK, 0, &ref, NULL);
    return ref != 0;
}

static void rows_go_and_all_else_stays(void)
{
    unsigned from[] = {1, 4};
    struct checkpoint_case c;

    case_fill(&c, LARGE, KEYS);
    for (int a = 0; a < 2; a++) {
        uint64_t wrong = 0, alive = 0, n = 0, removed = 0;
        struct checkpoint *cp;
        char name[16], path[FS_PATH_MAX];

        snprintf(name, sizeof(name), "cp-%d", a);
        case_save(&c, root(), name, from[a]);
        REQUIRE(!checkpoint_forget(root(), name, rows, N_ROWS, &removed, &err));
        CHECK(removed == 3);
        CHECK(!fs_exists(fs_join(path, root(), ".forget")));
        cp = opened(name);
        CHECK(checkpoint_n_rows(cp, "user") == KEYS - 2);
        CHECK(checkpoint_n_rows(cp, "item") == KEYS - 1);
        CHECK(!strcmp(checkpoint_info(cp)->metrics, "{\"auc\": 0.75}"));
        for (unsigned i = 0; i < 3; i++) {
            struct shard *s = case_shard(&c, i, 3);

            CHECK(!checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, &err));
            CHECK(!has_row(s, 0, 5) && !has_row(s, 0, 7) && !has_row(s, 1, 7));
            wrong += case_count_wrong(&c, s, 2, &n);
            alive += shard_counters(s).rows;
            shard_destroy(s);
        }
        CHECK(wrong == 3); // the missing ones, and nothing else
        CHECK(alive == 2 * KEYS - 3);
        checkpoint_close(cp);
        REQUIRE(!checkpoint_forget(root(), name, rows, N_ROWS, &removed, &err));
        CHECK(removed == 0);
    }
}

static void the_newest_stays_the_newest(void)
{
    struct checkpoint_case c;
    char dir[FS_PATH_MAX];
    uint64_t removed;

    case_fill(&c, 100, 50);
    case_save(&c, root(), "older", 2);
    case_save(&c, root(), "newer", 2);
    REQUIRE(!checkpoint_forget(root(), "older", rows, N_ROWS, &removed, &err));
    CHECK(removed == 3);
    REQUIRE(!checkpoint_latest(root(), dir, &err));
    CHECK(strstr(dir, "newer") != NULL);
}

static void damage_leaves_the_old_one(void)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX], *before, *after;
    struct checkpoint_case c;
    uint64_t removed;
    size_t n, m;

    case_fill(&c, 100, 50);
    case_save(&c, root(), "bad", 1);
    fs_join(path, fs_join(dir, root(), "bad"), "shard-0000.bin");
    REQUIRE(!fs_read(path, 1 << 20, &before, &n, &err));
    before[200] ^= 1; // among the rows of the first table
    REQUIRE(!fs_write_atomic(path, before, n, &err));
    CHECK(checkpoint_forget(root(), "bad", rows, N_ROWS, &removed, &err) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "shard-0000.bin") && removed == 0);
    REQUIRE(!fs_read(path, 1 << 20, &after, &m, &err));
    CHECK(n == m && !memcmp(before, after, n));
    CHECK(!fs_exists(fs_join(path, root(), ".forget")));
    mem_free(before);
    mem_free(after);
    CHECK(checkpoint_forget(root(), "none", rows, N_ROWS, &removed, &err) ==
          FUSOR_EIO);
}

static void no_memory_is_an_error(void)
{
    size_t used = mem_used();
    struct checkpoint_case c;
    uint64_t removed = 0;
    long n = 0;

    case_fill(&c, 100, 50);
    case_save(&c, root(), "memory", 1);
    for (n = 1; n < 200; n++) {
        enum fusor_status rc;

        mem_fail_after(n);
        rc = checkpoint_forget(root(), "memory", rows, N_ROWS, &removed, &err);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM && removed == 0);
        CHECK(mem_used() == used);
    }
    CHECK(n > 5 && n < 200 && removed == 3);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows go and all else stays", rows_go_and_all_else_stays},
        {"the newest checkpoint stays the newest", the_newest_stays_the_newest},
        {"damage leaves the old one", damage_leaves_the_old_one},
        {"no memory is an error and no leak", no_memory_is_an_error},
    };

    return TEST_RUN("store.checkpoint_forget", cases);
}
