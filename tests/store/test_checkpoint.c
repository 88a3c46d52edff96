/* Tests of checkpoints: written by some shards, read by others, damaged. */
#include "store/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint_case.h"

#define LARGE 40000
#define KEYS 3000

static const char *root(void)
{
    static char path[FS_PATH_MAX];

    return fs_join(path, test_tmpdir(), "checkpoints");
}

static struct checkpoint *open_latest(void)
{
    struct checkpoint *cp = NULL;
    struct fusor_error err = {0};
    char dir[FS_PATH_MAX];

    REQUIRE(!checkpoint_latest(root(), dir, NULL));
    if (checkpoint_open(dir, &cp, &err))
        CU_FAIL(err.text);
    REQUIRE(cp != NULL);
    return cp;
}

static void any_number_of_shards_resumes(void)
{
    unsigned from[] = {1, 4}, to[] = {1, 3, 7};
    struct checkpoint_case c;

    case_fill(&c, LARGE, KEYS);
    for (int a = 0; a < 2; a++) {
        struct checkpoint *cp;

        case_save(&c, root(), "resume", from[a]);
        cp = open_latest();
        CHECK(checkpoint_n_parts(cp) == from[a]);
        CHECK(checkpoint_n_rows(cp, "user") == KEYS);
        CHECK(checkpoint_n_rows(cp, "nobody") == 0);
        for (int b = 0; b < 3; b++) {
            uint64_t wrong = 0, rows = 0, alive = 0;

            for (unsigned i = 0; i < to[b]; i++) {
                struct shard *s = case_shard(&c, i, to[b]);

                CHECK(!checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, NULL));
                wrong += case_count_wrong(&c, s, 2, &rows);
                alive += shard_counters(s).rows;
                CHECK(shard_position(s).samples_done == 6400);
                CHECK(s->slab.head->n_spans == 2);
                CHECK(s->slab.head->spans[1].plateau_factor == 0.25);
                CHECK(s->slab.head->units_per_epoch == 40);
                shard_destroy(s);
            }
            CHECK(wrong == 0);
            CHECK(rows == 2 * KEYS && alive == rows);
        }
        checkpoint_close(cp);
    }
}

static uint64_t digest_of(struct checkpoint_case *c, const char *name,
                          unsigned n_shards)
{
    struct checkpoint *cp;
    uint64_t digest = 0;

    case_save(c, root(), name, n_shards);
    cp = open_latest();
    CHECK(!checkpoint_digest(cp, &digest, NULL));
    checkpoint_close(cp);
    return digest;
}

static void a_digest_does_not_depend_on_the_cut(void)
{
    struct checkpoint_case c, other;
    uint64_t whole;

    case_fill(&c, LARGE, KEYS);
    whole = digest_of(&c, "whole", 1);
    CHECK(digest_of(&c, "two", 2) == whole);
    CHECK(digest_of(&c, "five", 5) == whole);
    case_fill(&other, LARGE, KEYS - 1);
    CHECK(digest_of(&other, "other", 2) != whole);
    case_fill(&other, LARGE + 16, KEYS);
    CHECK(digest_of(&other, "block", 2) != whole);
}

static void the_manifest_says_what_it_is(void)
{
    const struct checkpoint_info *info;
    struct checkpoint_case c;
    struct checkpoint *cp;

    case_fill(&c, 30, 10);
    case_save(&c, root(), "info", 2);
    cp = open_latest();
    info = checkpoint_info(cp);
    CHECK(info->job_id == 0xfeed && info->stage_number == 2);
    CHECK(info->epoch == 1 && info->clock == 50);
    CHECK(info->samples_done == 6400);
    CHECK(strcmp(info->stage, "train") == 0);
    CHECK(strcmp(info->metrics, "{\"auc\": 0.75}") == 0);
    CHECK(strcmp(info->config, "model:\n  - \"x\": {d: 1}\n") == 0);
    checkpoint_close(cp);
}

static void another_model_is_refused_to_resume(void)
{
    struct fusor_error err = {0};
    struct checkpoint_case c;
    struct checkpoint *cp;
    struct shard *s;

    case_fill(&c, 30, 10);
    case_save(&c, root(), "other", 1);
    cp = open_latest();
    c.tables[1].width = 9;
    s = case_shard(&c, 0, 1);
    CHECK(checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "table item of 9 floats") != NULL);
    CHECK(shard_counters(s).rows == 0); // nothing half loaded
    shard_destroy(s);
    c.tables[1].width = 2;
    optim_spec_default(OPTIM_SGD, &c.block_optim[1]);
    s = case_shard(&c, 0, 1);
    CHECK(checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "tower.big") != NULL);
    CHECK(shard_counters(s).rows == 0);
    shard_destroy(s);
    checkpoint_close(cp);
}

/* Tables in another order, another rule for users, a new width for items. */
static void values_start_another_model(void)
{
    struct checkpoint_case c, other;
    struct checkpoint *cp;
    struct shard *s;
    uint64_t key = 5;
    uint32_t ref;

    case_fill(&c, 30, 10);
    case_save(&c, root(), "values", 3);
    cp = open_latest();
    case_fill(&other, 30, 10);
    other.tables[0] =
        (struct table_spec){.name = "item", .width = 4, .init = INIT_ONE};
    other.tables[1] = c.tables[0];
    optim_spec_default(OPTIM_ADAGRAD, &other.table_optim[1]);
    optim_spec_default(OPTIM_SGD, &other.block_optim[1]);
    strcpy(other.blocks[0].name, "new.w");
    s = case_shard(&other, 0, 1);
    REQUIRE(!checkpoint_load_shard(cp, s, CHECKPOINT_VALUES, NULL));
    CHECK(shard_counters(s).rows == 10); // users; items have another width
    shard_resolve(s, 1, &key, 1, RESOLVE_PEEK, 0, &ref, NULL);
    REQUIRE(ref != 0);
    CHECK(shard_row_values(shard_base(s), ref)[2] == case_value(5, 2));
    CHECK(table_row(&s->tables[1], ref)->last_clock == 0);
    CHECK(row_state(&s->tables[1], table_row(&s->tables[1], ref))[0] ==
          (float)other.table_optim[1].initial);
    CHECK(s->segment_values[0][0] == 1.0f); // new.w as it was made
    CHECK(s->segment_values[1][7] == case_value(1, 7));
    CHECK(shard_position(s).clock == 0);
    shard_destroy(s);
    checkpoint_close(cp);
}

static void put_byte(const char *path, uint64_t at, int flip)
{
    FILE *f = fopen(path, "r+b");
    int c;

    REQUIRE(f != NULL);
    fseek(f, (long)at, SEEK_SET);
    c = fgetc(f);
    fseek(f, (long)at, SEEK_SET);
    fputc(c ^ flip, f);
    fclose(f);
}

/* @return is the damage found, with the file's name, before anything is
 * loaded? */
static int is_found(struct checkpoint_case *c, const char *dir,
                    const char *file)
{
    struct fusor_error err = {0};
    struct checkpoint *cp = NULL;
    enum fusor_status rc = checkpoint_open(dir, &cp, &err);
    struct shard *s = case_shard(c, 0, 1);
    int found;

    if (rc == FUSOR_OK)
        rc = checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, &err);
    found = (rc == FUSOR_EDATA || rc == FUSOR_EIO) && strstr(err.text, file) &&
            shard_counters(s).rows == 0;
    shard_destroy(s);
    checkpoint_close(cp);
    return found;
}

static void every_flipped_byte_is_found(void)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX];
    const char *files[] = {"shard-0001.bin", CHECKPOINT_MANIFEST};
    struct checkpoint_case c;

    case_fill(&c, 30, 10);
    case_save(&c, root(), "flip", 2);
    fs_join(dir, root(), "flip");
    for (int f = 0; f < 2; f++) {
        uint64_t size;

        fs_join(path, dir, files[f]);
        size = (uint64_t)fs_size(path);
        for (uint64_t at = 0; at < size; at += 1 + size / 150) {
            put_byte(path, at, 0x10);
            if (!is_found(&c, dir, files[f]))
                CU_FAIL("a flipped byte went unseen");
            put_byte(path, at, 0x10);
        }
    }
    CHECK(!is_found(&c, dir, "shard")); // all put right again
}

static void put_file(const char *path, const char *data, size_t n)
{
    FILE *f = fopen(path, "wb");

    REQUIRE(f != NULL);
    CHECK(fwrite(data, 1, n, f) == n);
    fclose(f);
}

static void cut_and_missing_files_are_found(void)
{
    const char *files[] = {"shard-0000.bin", CHECKPOINT_MANIFEST};
    char dir[FS_PATH_MAX], path[FS_PATH_MAX];
    struct checkpoint_case c;
    char latest[FS_PATH_MAX];

    case_fill(&c, 30, 10);
    case_save(&c, root(), "cut", 2);
    fs_join(dir, root(), "cut");
    for (int f = 0; f < 2; f++) {
        size_t size;
        char *data;

        fs_join(path, dir, files[f]);
        REQUIRE(!fs_read(path, 1 << 20, &data, &size, NULL));
        for (size_t n = 0; n < size; n += 1 + size / 40) {
            put_file(path, data, n);
            CHECK(is_found(&c, dir, files[f]));
        }
        REQUIRE(!fs_remove_tree(path, NULL));
        CHECK(is_found(&c, dir, files[f]));
        put_file(path, data, size);
        mem_free(data);
    }
    CHECK(checkpoint_latest(test_tmpdir(), latest, NULL) == FUSOR_EIO);
    test_write(CHECKPOINT_LATEST, "../elsewhere\n");
    CHECK(checkpoint_latest(test_tmpdir(), latest, NULL) == FUSOR_EDATA);
}

static void an_interrupted_write_leaves_the_old_one(void)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX];
    struct checkpoint_part part;
    struct fusor_error err = {0};
    struct checkpoint_case c;
    struct shard *s;
    struct fs_list list;

    case_fill(&c, 30, 10);
    s = case_shard(&c, 0, 1);
    fs_join(dir, root(), "absent");
    CHECK(checkpoint_write_shard(s, dir, &part, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "shard-0000.bin") != NULL);
    REQUIRE(!fs_mkdirs(fs_join(dir, root(), "full"), NULL));
    for (long i = 1; i < 20; i++) {
        enum fusor_status rc;

        mem_fail_after(i);
        rc = checkpoint_write_shard(s, dir, &part, NULL);
        mem_fail_after(0);
        REQUIRE(!fs_list_dir(dir, &list, NULL));
        CHECK(list.n == (rc == FUSOR_OK));
        fs_list_clear(&list);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM && i < 19);
    }
    CHECK(fs_exists(fs_join(path, dir, "shard-0000.bin")));
    shard_destroy(s);
}

static void every_allocation_may_fail(void)
{
    char dir[FS_PATH_MAX];
    struct checkpoint_case c;
    size_t used;
    long i = 1;

    case_fill(&c, 30, 10);
    case_save(&c, root(), "memory", 2);
    fs_join(dir, root(), "memory");
    used = mem_used();
    for (; i < 2000; i++) {
        struct checkpoint *cp = NULL;
        struct shard *s = case_shard(&c, 0, 1);
        enum fusor_status rc;

        mem_fail_after(i);
        rc = checkpoint_open(dir, &cp, NULL);
        if (rc == FUSOR_OK)
            rc = checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, NULL);
        mem_fail_after(0);
        checkpoint_close(cp);
        shard_destroy(s);
        CHECK(mem_used() == used);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
    }
    CHECK(i > 8 && i < 2000);
}

static void version_1_is_read(void)
{
    struct fusor_error err = {0};
    struct checkpoint *cp = NULL;
    struct checkpoint_case c;
    uint64_t rows = 0, wrong = 0;
    char dir[FS_PATH_MAX];

    case_fill(&c, 30, 5);
    REQUIRE(!checkpoint_latest(STORE_GOLDEN, dir, NULL));
    CHECK(strstr(dir, "version-1") != NULL);
    if (checkpoint_open(dir, &cp, &err))
        CU_FAIL(err.text);
    REQUIRE(cp != NULL);
    CHECK(checkpoint_info(cp)->clock == 50);
    for (unsigned i = 0; i < 3; i++) {
        struct shard *s = case_shard(&c, i, 3);

        CHECK(!checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, &err));
        wrong += case_count_wrong(&c, s, 1, &rows);
        shard_destroy(s);
    }
    CHECK(wrong == 0 && rows == 10);
    checkpoint_close(cp);
}

/* Values and state, and that a key which was counted once of three times goes
 * on being counted. */
static void version_2_is_read(void)
{
    const uint64_t counted = 1000;
    struct fusor_error err = {0};
    struct checkpoint *cp = NULL;
    struct checkpoint_case c;
    uint64_t rows = 0, wrong = 0, stubs = 0;

    case_fill(&c, 30, 5);
    c.tables[0].admit_count = 3;
    if (checkpoint_open(STORE_GOLDEN "/version-2", &cp, &err))
        CU_FAIL(err.text);
    REQUIRE(cp != NULL);
    CHECK(checkpoint_info(cp)->clock == 50 && checkpoint_n_parts(cp) == 2);
    for (unsigned i = 0; i < 3; i++) {
        struct shard *s = case_shard(&c, i, 3);
        uint32_t ref;

        CHECK(!checkpoint_load_shard(cp, s, CHECKPOINT_RESUME, &err));
        wrong += case_count_wrong(&c, s, 2, &rows);
        stubs += shard_counters(s).stubs;
        for (uint64_t clock = 51; clock < 53; clock++) {
            if (!shard_owns_key(s, 0, counted))
                break;
            REQUIRE(!shard_resolve(s, 0, &counted, 1, RESOLVE_PUSH, clock, &ref,
                                   NULL));
            CHECK((ref != 0) == (clock == 52));
        }
        shard_destroy(s);
    }
    CHECK(wrong == 0 && rows == 10 && stubs == 1);
    checkpoint_close(cp);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a digest does not depend on the cut",
         a_digest_does_not_depend_on_the_cut},
        {"any number of shards resumes", any_number_of_shards_resumes},
        {"the manifest says what it is", the_manifest_says_what_it_is},
        {"another model is refused to resume",
         another_model_is_refused_to_resume},
        {"values start another model", values_start_another_model},
        {"every flipped byte is found and its file named",
         every_flipped_byte_is_found},
        {"cut and missing files are found and named",
         cut_and_missing_files_are_found},
        {"an interrupted write leaves no file",
         an_interrupted_write_leaves_the_old_one},
        {"every allocation may fail", every_allocation_may_fail},
        {"files of version 1 are read", version_1_is_read},
        {"files of version 2 are read", version_2_is_read},
    };

    return TEST_RUN("store.checkpoint", cases);
}
