#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/generate.h"
#include "data/part.h"
#include "data/prepare.h"
#include "data/schema.h"

#define USERS 200
#define ITEMS 120
#define EVENTS 6000

static struct fusor_error err;

static enum fusor_status make(const char *name, uint64_t seed, char *dir)
{
    struct generate_options o = {
        .users = USERS, .items = ITEMS, .events = EVENTS, .seed = seed};

    o.out = fs_join(dir, test_tmpdir(), name);
    return generate_run(&o, &err);
}

static char *read_text(const char *dir, const char *name)
{
    static char *text; // static: gcc 12 thinks that it dangles otherwise
    char path[FS_PATH_MAX];
    size_t n;

    REQUIRE(fs_read(fs_join(path, dir, name), 1 << 24, &text, &n, &err) ==
            FUSOR_OK);
    return text;
}

static int same_file(const char *a, const char *b, const char *name)
{
    char *x = read_text(a, name), *y = read_text(b, name);
    int same = !strcmp(x, y);

    mem_free(x);
    mem_free(y);
    return same;
}

static void same_seed_same_bytes(void)
{
    static const char *const names[] = {"ratings.csv", "movies.csv",
                                        "users.csv", "queries.tsv"};
    char a[FS_PATH_MAX], b[FS_PATH_MAX], c[FS_PATH_MAX];

    REQUIRE(make("a", 5, a) == FUSOR_OK);
    REQUIRE(make("b", 5, b) == FUSOR_OK);
    REQUIRE(make("c", 6, c) == FUSOR_OK);
    for (int i = 0; i < 4; i++) {
        CHECK(same_file(a, b, names[i]));
        CHECK(!same_file(a, c, names[i]));
    }
}

/* Prepared, the data is clean and complete. */
static struct part *prepared(const char *dir)
{
    char out[FS_PATH_MAX], path[FS_PATH_MAX];
    struct prepare_options o = {.input = dir,
                                .valid = "",
                                .test = "",
                                .format = "auto",
                                .schema = "",
                                .fields = "",
                                .protocol = "none",
                                .candidates = "",
                                .valid_last = "",
                                .label = "",
                                .hash = "",
                                .min_count = 1,
                                .max_values = 512,
                                .dedupe = 1};
    struct prepare_report report;
    struct part *p = NULL;

    o.out = fs_join(out, test_tmpdir(), "prepared");
    if (prepare_run(&o, &report, &err) != FUSOR_OK) {
        puts(err.text);
        REQUIRE(0);
    }
    CHECK(report.rows_kept == EVENTS && report.n_queries == USERS);
    CHECK(!strcmp(report.format, "movielens"));
    REQUIRE(part_open(fs_join(path, out, "train.part"), &p, &err) == FUSOR_OK);
    return p;
}

static void events_are_as_many_as_asked_for(void)
{
    char dir[FS_PATH_MAX];
    uint32_t n[USERS + 1] = {0};
    uint64_t rating[6] = {0};
    struct part *p;

    REQUIRE(make("n", 1, dir) == FUSOR_OK);
    p = prepared(dir); // dedupe finds no pair twice
    for (int row = 0; row < EVENTS; row++) {
        n[part_find(p, "user")->u32[row]]++;
        rating[(int)part_find(p, "label")->f32[row]]++;
        if (row && part_find(p, "user")->u32[row] ==
                       part_find(p, "user")->u32[row - 1])
            CHECK(part_find(p, "time")->i64[row] >
                  part_find(p, "time")->i64[row - 1]);
    }
    for (int u = 1; u <= USERS; u++)
        CHECK(n[u] >= 2 && n[u] <= ITEMS / 2);
    for (int r = 1; r <= 5; r++) // no star is rare, none is all
        CHECK(rating[r] > EVENTS / 100 && rating[r] < EVENTS / 2);
    part_close(p);
}

static void sequels_follow_each_other(void)
{
    char dir[FS_PATH_MAX];
    uint64_t next = 0;
    struct part *p;
    const uint32_t *user, *item;

    REQUIRE(make("n", 1, dir) == FUSOR_OK);
    p = prepared(dir);
    user = part_find(p, "user")->u32;
    item = part_find(p, "item")->u32;
    // Ids follow the first appearance: compare the texts.
    {
        char path[FS_PATH_MAX], out[FS_PATH_MAX];
        struct vocab *v;

        fs_join(out, test_tmpdir(), "prepared");
        REQUIRE(vocab_read(fs_join(path, out, "item.vocab"), &v, &err) ==
                FUSOR_OK);
        for (int row = 1; row < EVENTS; row++) {
            int a, b;

            if (user[row] != user[row - 1])
                continue;
            sscanf(vocab_text(v, item[row - 1], NULL), "%d", &a);
            sscanf(vocab_text(v, item[row], NULL), "%d", &b);
            next += b == a + 1;
        }
        vocab_destroy(v);
    }
    // By chance about EVENTS / ITEMS times; built in: over ten times that.
    CHECK(next > 10 * EVENTS / ITEMS);
    part_close(p);
}

static void queries_have_their_target(void)
{
    char dir[FS_PATH_MAX], *text;
    unsigned qid, item, relevance, last = 0, best = 2;
    int n = 0;

    REQUIRE(make("n", 1, dir) == FUSOR_OK);
    text = read_text(dir, "queries.tsv");
    for (char *s = strchr(text, '\n') + 1; *s; s = strchr(s, '\n') + 1) {
        REQUIRE(sscanf(s, "%u\t%*[^\t]\t%u\t%u", &qid, &item, &relevance) == 3);
        CHECK(item >= 1 && item <= ITEMS && relevance >= 1 && relevance <= 2);
        if (qid != last) {
            CHECK(best == 2);
            CHECK(qid == last + 1);
            best = 0;
            last = qid;
        }
        best = relevance > best ? relevance : best;
        n++;
    }
    CHECK(best == 2 && last == ITEMS / 5 && n >= ITEMS / 5);
    mem_free(text);
}

static void impossible_sizes_are_refused(void)
{
    struct generate_options o = {
        .out = test_tmpdir(), .users = 10, .items = 20, .events = 101};

    CHECK(generate_run(&o, &err) == FUSOR_EUSAGE);
    o.events = 19;
    CHECK(generate_run(&o, &err) == FUSOR_EUSAGE);
    o.events = 100;
    CHECK(generate_run(&o, &err) == FUSOR_OK);
    o.out = "/proc/nonexistent";
    CHECK(generate_run(&o, &err) == FUSOR_EIO);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"same seed, same bytes", same_seed_same_bytes},
        {"events are as many as asked for, in time order",
         events_are_as_many_as_asked_for},
        {"sequels follow each other", sequels_follow_each_other},
        {"queries have their target", queries_have_their_target},
        {"impossible sizes are refused", impossible_sizes_are_refused},
    };
    return TEST_RUN("data.generate", cases);
}
