/* Beginning with values of another run: what is taken, where it goes, what is
 * refused. */
#include "train/warm.h"

#include <string.h>

#include "harness.h"
#include "train/fixture.h"

#define FIELDS                                                     \
    "fields:\n"                                                    \
    "  history: {side: query, type: sequence, of: item, max: 8}\n" \
    "  user: {side: query, type: categorical}\n"                   \
    "  item: {side: item, type: categorical}\n"
#define TRAIN "train: {global_batch: 12, micro_batches: 4, epochs: 2}\n"
#define MASKED                                                              \
    FIELDS TRAIN "tables: {item: 4}\n"                                      \
                 "towers: {seq: {type: transformer, query: history, item: " \
                 "item, mask: 0.3, ff: 8}}\n"                               \
                 "loss: full_softmax\n"
#define CAUSAL(tables)                                                  \
    FIELDS "train: {global_batch: 12, micro_batches: 4, epochs: 0}\n"   \
           "tables: {" tables "}\n"                                     \
           "towers: {mf: {type: dot, query: user, item: {field: item, " \
           "table: own}}, seq: {type: transformer, query: history, "    \
           "item: item, table: item, ff: 8}}\n"                         \
           "fusion: {type: weighted}\nloss: bce\n"
#define TABLES "user: 3, own: 3, item: 4"

static const char *source(void)
{
    static char dir[FS_PATH_MAX];
    struct training_options options = {.name = "masked", .n_threads = 1};
    struct training t;

    if (dir[0])
        return dir;
    training_run(&t, fixture_text(fixture_data("loo-full"), "implicit", MASKED),
                 &options);
    if (t.status != FUSOR_OK)
        fprintf(stderr, "%s\n", t.err.text);
    REQUIRE(t.status == FUSOR_OK);
    snprintf(dir, sizeof(dir), "%s", t.run_dir);
    training_clear(&t);
    return dir;
}

static const char *job(const char *more, const char *init_from)
{
    static char text[8192];

    snprintf(text, sizeof(text), "%s%s", more, init_from);
    return fixture_text(fixture_data("loo-full"), "implicit", text);
}

static void run(struct training *t, const char *text, unsigned n_threads,
                const char *name)
{
    struct training_options options = {.name = name, .n_threads = n_threads};

    training_run(t, text, &options);
    if (t->status != FUSOR_OK)
        fprintf(stderr, "%s\n", t->err.text);
    REQUIRE(t->status == FUSOR_OK);
}

static void reopen(struct training *t)
{
    run(t, fixture_text(fixture_data("loo-full"), "implicit", MASKED), 1,
        "masked-again");
}

static const char *from(const char *more)
{
    static char text[2 * FS_PATH_MAX];

    snprintf(text, sizeof(text), "init_from: {checkpoint: %s%s}\n", source(),
             more);
    return text;
}

/* The same job again stands for the run that was read: bits repeat. */
static void a_causal_tower_begins_as_a_masked_one(void)
{
    struct training before, t;

    reopen(&before);
    for (unsigned threads = 1; threads < 3; threads++) {
        run(&t, job(CAUSAL(TABLES), from(", tables: [item], towers: [seq]")),
            threads, threads == 1 ? "causal" : "causal-2");
        CHECK(training_same_table(&before, "latest", &t, "latest", "item"));
        CHECK(training_same_block(&before, "latest", &t, "latest",
                                  "seq.positions"));
        training_clear(&t);
    }
    run(&t, job(CAUSAL(TABLES), from(", tables: [item]")), 1, "rows");
    CHECK(training_same_table(&before, "latest", &t, "latest", "item"));
    CHECK(
        !training_same_block(&before, "latest", &t, "latest", "seq.positions"));
    training_clear(&t);
    run(&t, job(CAUSAL(TABLES), from("")), 1, "all");
    CHECK(training_same_table(&before, "latest", &t, "latest", "item"));
    CHECK(
        training_same_block(&before, "latest", &t, "latest", "seq.positions"));
    training_clear(&t);
    training_clear(&before);
}

/* Rows that an earlier stage has trained are overwritten, not doubled; a later
 * stage that trains something else leaves them so. */
static void a_later_stage_may_begin_so(void)
{
    struct training before, t;
    char text[2 * FS_PATH_MAX];

    reopen(&before);
    snprintf(text, sizeof(text),
             CAUSAL(TABLES) "stages: [{train: [seq], epochs: 1, loss: "
                            "full_softmax}, {train: [mf], epochs: 1, "
                            "init_from: {checkpoint: %s}}]\n",
             source());
    run(&t, fixture_text(fixture_data("loo-full"), "implicit", text), 2,
        "later");
    CHECK(training_same_table(&before, "latest", &t, "latest", "item"));
    CHECK(
        training_same_block(&before, "latest", &t, "latest", "seq.positions"));
    CHECK(!training_same_table(&before, "latest", &t, "01-00001", "item"));
    training_clear(&t);
    training_clear(&before);
}

static void refuses(const char *more, const char *init_from, const char *why)
{
    struct yaml *y = fixture_yaml(job(more, init_from));
    struct workload *w = NULL;
    struct fusor_error err = {0};
    enum fusor_status rc = workload_create(y, &w, &err);

    if (rc == FUSOR_OK)
        rc = warm_check(w, &err);
    CHECK(rc == FUSOR_EUSAGE);
    CHECK(strncmp(err.text, "job.yaml:", 9) == 0);
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    workload_destroy(w);
    yaml_destroy(y);
}

static void what_does_not_fit_is_refused(void)
{
    const char *right = CAUSAL(TABLES), *wide = CAUSAL("user: 3, own: 3, "
                                                       "item: 6");

    refuses(wide, from(", tables: [item]"), "rows of table item have 4 floats");
    refuses(wide, from(""), "rows of table item have 4 floats");
    refuses(wide, from(", towers: [seq]"), "block seq.");
    refuses(right, from(", tables: [user]"), "has no table user");
    refuses(right, from(", tables: [itm]"), "did you mean item");
    refuses(right, from(", tables: [item, item]"), "item");
    refuses(right, from(", tables: item"), "list");
    refuses(right, from(", towers: [mf]"), "rows are taken by tables");
    refuses(right, from(", tower: [seq]"), "tower");
    refuses(right, "init_from: {checkpoint: nowhere}\n", "no checkpoint there");
    refuses(right, "init_from: {tables: [item]}\n", "checkpoint");
    refuses(right,
            "stages: [{train: [seq], init_from: {checkpoint: x}}]\n"
            "init_from: {checkpoint: y}\n",
            "the first stage has one too");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a causal tower begins as a masked one",
         a_causal_tower_begins_as_a_masked_one},
        {"a later stage may begin so", a_later_stage_may_begin_so},
        {"what does not fit is refused", what_does_not_fit_is_refused},
    };

    return TEST_RUN("train.warm", cases);
}
