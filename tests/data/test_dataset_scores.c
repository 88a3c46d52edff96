/* Scores of files as fields of batches: by pair, by row, for other items than a
 * row's own, and what is missing. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/batcher.h"
#include "data/prepared.h"

static const struct event train[] = {
    {1, 1, 5, 10, 0}, {1, 2, 3, 20, 0}, {2, 3, 1, 20, 1}, {2, 1, 1, 30, 1}};
static const struct event test[] = {{1, 3, 5, 90, 0}, {2, 2, 4, 90, 0}};

static char dir[FS_PATH_MAX];

/* Names of users, which prepared.h leaves out. */
static void write_folder(uint32_t n_folds)
{
    struct prepared p = {.n_users = 4,
                         .n_items = 6,
                         .train = train,
                         .n_train = 4,
                         .test = test,
                         .n_test = n_folds ? 0 : 2,
                         .n_folds = n_folds};
    struct schema *s = mem_alloc(1, sizeof(*s));
    struct vocab *v = vocab_create(NULL);
    char path[FS_PATH_MAX];

    REQUIRE(s != NULL && v != NULL);
    prepared_write(&p, "scored");
    snprintf(dir, sizeof(dir), "%s", p.dir);
    vocab_add(v, "ann", 3);
    vocab_add(v, "bob", 3);
    vocab_add(v, "cem", 3);
    REQUIRE(vocab_write(v, fs_join(path, dir, "user.vocab"), NULL) == FUSOR_OK);
    vocab_destroy(v);
    REQUIRE(schema_read(dir, s, NULL) == FUSOR_OK);
    snprintf(s->fields[F_USER].vocab_name, FIELD_NAME_MAX, "user");
    REQUIRE(schema_write(s, dir, NULL) == FUSOR_OK);
    mem_free(s);
}

static const char *write_file(const char *name, const char *text)
{
    static char paths[2][FS_PATH_MAX];
    static int turn;
    char *path = fs_join(paths[turn ^= 1], test_tmpdir(), name);

    REQUIRE(fs_write_atomic(path, text, strlen(text), NULL) == FUSOR_OK);
    return path;
}

static enum fusor_status open_with(const char *words, int64_t fold,
                                   struct dataset **out,
                                   struct fusor_error *err)
{
    char text[3 * FS_PATH_MAX];
    struct yaml *fields = prepared_yaml("user: {}\nitem: {}\n"), *towers;
    struct dataset_options o = {.dir = dir, .fold = fold};
    enum fusor_status rc;

    snprintf(text, sizeof(text), "mf: {type: dot}\nncf: {type: scores, %s}\n",
             words);
    towers = prepared_yaml(text);
    o.towers = yaml_root(towers);
    *out = NULL;
    rc = dataset_open(&o, yaml_root(fields), NULL, out, err);
    yaml_destroy(towers);
    yaml_destroy(fields);
    return rc;
}

static struct dataset *must_open(const char *words, int64_t fold)
{
    struct fusor_error err = {0};
    struct dataset *ds;

    if (open_with(words, fold, &ds, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(ds != NULL);
    return ds;
}

static const char *const pairs = "ann\titem 1\t1\nann\titem 2\t2\n"
                                 "ann\titem 3\t3\nbob\titem 3\t-3\n"
                                 "dan\titem 3\t9\n";

static void a_tower_of_scores_brings_a_field(void)
{
    static const uint32_t rows[] = {2, 0, 3};
    char words[FS_PATH_MAX + 16];
    const struct field_spec *fields;
    struct batcher *b = NULL;
    struct dataset *ds;
    struct batch out;
    size_t n;

    write_folder(0);
    snprintf(words, sizeof(words), "file: %s", write_file("pairs.tsv", pairs));
    ds = must_open(words, -1);
    fields = dataset_fields(ds, &n);
    CHECK(n == 3 && fields[2].type == FIELD_SCORE);
    CHECK(!strcmp(fields[2].name, "ncf.score") && fields[2].side == SIDE_ROW);
    CHECK(strstr(dataset_warnings(ds), "1 lines of") != NULL);
    CHECK(strstr(dataset_warnings(ds), "4 scores are left") != NULL);
    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 3, &out, NULL) == FUSOR_OK);
    CHECK(out.fields[2].dense[0] == -3 && out.fields[2].dense[1] == 1);
    CHECK(isnan(out.fields[2].dense[2]));
    batcher_destroy(b);
    dataset_close(ds);
}

static void other_items_have_the_score_of_their_pair(void)
{
    static const uint32_t rows[] = {0, 0, 0},
                          items[] = {BATCHER_OWN_ITEM, 3, 4}, asked[] = {3, 2};
    struct batcher_query as_of = {.split = SPLIT_TEST, .row = 1};
    struct batcher_query user = {
        .split = SPLIT_TRAIN, .row = BATCHER_NO_ROW, .query = 1};
    struct batcher_query nobody = {
        .split = SPLIT_TRAIN, .row = BATCHER_NO_ROW, .query = 0};
    char words[FS_PATH_MAX + 32];
    struct batcher *b = NULL;
    struct dataset *ds;
    const float *v;
    struct batch out;

    write_folder(0);
    snprintf(words, sizeof(words), "file: %s", write_file("pairs.tsv", pairs));
    ds = must_open(words, -1);
    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_items(b, SPLIT_TRAIN, rows, items, 3, &out, NULL) ==
            FUSOR_OK);
    v = out.fields[2].dense;
    CHECK(v[0] == 1 && v[1] == 3 && isnan(v[2]));
    REQUIRE(batcher_fill_pairs(b, &as_of, asked, 2, &out, NULL) == FUSOR_OK);
    CHECK(v[0] == -3 && isnan(v[1]));
    REQUIRE(batcher_fill_pairs(b, &user, asked, 2, &out, NULL) == FUSOR_OK);
    CHECK(v[0] == 3 && v[1] == 2);
    REQUIRE(batcher_fill_pairs(b, &nobody, asked, 2, &out, NULL) == FUSOR_OK);
    CHECK(isnan(v[0]) && isnan(v[1]));
    batcher_destroy(b);
    dataset_close(ds);
}

static void each_part_may_have_its_rows(void)
{
    static const uint32_t rows[] = {1, 0, 1},
                          other[] = {BATCHER_OWN_ITEM, 5, 2};
    char words[2 * FS_PATH_MAX];
    struct batcher *b = NULL;
    struct dataset *ds;
    const float *v;
    struct batch out;

    write_folder(0);
    snprintf(words, sizeof(words), "file: {test: %s, train: %s}",
             write_file("test.tsv", "0\t5\n1\t6\n"),
             write_file("train.tsv", "0\t1\n1\t2\n3\t4\n"));
    ds = must_open(words, -1);
    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 2, &out, NULL) == FUSOR_OK);
    v = out.fields[2].dense;
    CHECK(v[0] == 2 && v[1] == 1);
    /* A row's own item has its score, however it is asked for. */
    REQUIRE(batcher_fill_items(b, SPLIT_TEST, rows, other, 3, &out, NULL) ==
            FUSOR_OK);
    CHECK(v[0] == 6 && isnan(v[1]) && v[2] == 6);
    batcher_destroy(b);
    dataset_close(ds);
    write_folder(2); // one part, so its rows need no word
    snprintf(words, sizeof(words), "file: %s, missing: -7",
             write_file("train.tsv", "0\t1\n1\t2\n3\t4\n"));
    ds = must_open(words, 1);
    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TEST, rows, 2, &out, NULL) == FUSOR_OK);
    CHECK(out.fields[2].dense[0] == 4 && out.fields[2].dense[1] == -7);
    batcher_destroy(b);
    dataset_close(ds);
}

static void what_is_missing_is_named(void)
{
    static const uint32_t rows[] = {0, 3};
    static const uint32_t items[] = {4};
    struct batcher_query user = {
        .split = SPLIT_TRAIN, .row = BATCHER_NO_ROW, .query = 1};
    const struct batch_source *source;
    struct fusor_error err;
    char words[2 * FS_PATH_MAX];
    struct batcher *b = NULL;
    struct dataset *ds;
    struct batch out;

    write_folder(0);
    snprintf(words, sizeof(words), "file: {train: %s}",
             write_file("pairs.tsv", pairs));
    ds = must_open(words, -1);
    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 2, &out, NULL) == FUSOR_OK);
    source = out.fields[2].source;
    REQUIRE(source != NULL);
    CHECK(source->missing(source, 1, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "tower ncf: no score of user \"bob\" and item "
                           "\"item 1\", row 3 of the train part") != NULL);
    CHECK(strstr(err.text, "drop_tower") != NULL);
    REQUIRE(batcher_fill(b, SPLIT_TEST, rows, 1, &out, NULL) == FUSOR_OK);
    source = out.fields[2].source;
    CHECK(source->missing(source, 0, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "for which no file is given") != NULL);
    REQUIRE(batcher_fill_pairs(b, &user, items, 1, &out, NULL) == FUSOR_OK);
    source = out.fields[2].source;
    CHECK(source->missing(source, 0, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "user \"ann\" and item \"item 4\": add") != NULL);
    batcher_destroy(b);
    dataset_close(ds);
}

static void an_outline_reads_no_file(void)
{
    struct dataset_options o = {.dir = dir, .fold = -1, .outline = 1};
    struct yaml *towers = prepared_yaml("ncf: {type: scores, file: /none}");
    struct dataset *ds = NULL;
    size_t n;

    write_folder(0);
    o.towers = yaml_root(towers);
    REQUIRE(dataset_open(&o, NULL, NULL, &ds, NULL) == FUSOR_OK);
    CHECK(dataset_fields(ds, &n)[N_FIELDS].type == FIELD_SCORE);
    CHECK(n == N_FIELDS + 1);
    dataset_close(ds);
    yaml_destroy(towers);
}

static void what_makes_no_sense_is_refused(void)
{
    static const char *const wrong[][2] = {
        {"missing: drop_tower", "no file of scores"},
        {"file: %s, missing: maybe", "missing is \"maybe\""},
        {"file: %s, missing: nan", "missing is \"nan\""},
        {"file: %s, values: odds", "values are \"odds\""},
        {"file: {all: %s}", "not \"all\""},
        {"file: {valid: %s}", "no part that its files are of"},
        {"file: %s", "say of which, as in file: {test:"},
    };

    write_folder(0);
    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
        const char *path = write_file("rows.tsv", "0\t1\n1\t2\n");
        const char *at = strstr(wrong[k][0], "%s");
        char words[2 * FS_PATH_MAX];
        struct fusor_error err = {0};
        struct dataset *ds;
        enum fusor_status rc;

        snprintf(words, sizeof(words), "%.*s%s%s",
                 (int)(at ? (size_t)(at - wrong[k][0]) : strlen(wrong[k][0])),
                 wrong[k][0], at ? path : "", at ? at + 2 : "");
        rc = open_with(words, -1, &ds, &err);
        if (!strstr(err.text, wrong[k][1]))
            fprintf(stderr, "%zu: %s\n", k, err.text);
        CHECK(rc == FUSOR_EUSAGE && strstr(err.text, wrong[k][1]) != NULL);
        dataset_close(ds);
    }
}

static void every_failed_allocation_is_an_error(void)
{
    struct yaml *towers;
    struct dataset_options o = {.dir = dir, .fold = -1};
    char text[FS_PATH_MAX + 64];
    size_t used;

    write_folder(0);
    snprintf(text, sizeof(text), "ncf: {type: scores, file: %s}\n",
             write_file("pairs.tsv", pairs));
    towers = prepared_yaml(text);
    o.towers = yaml_root(towers);
    used = mem_used();
    for (long k = 1;; k++) {
        struct dataset *ds = NULL;
        enum fusor_status rc;

        mem_fail_after(k);
        rc = dataset_open(&o, NULL, NULL, &ds, NULL);
        mem_fail_after(0);
        dataset_close(ds);
        CHECK(mem_used() == used);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
    }
    yaml_destroy(towers);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a tower of scores brings a field", a_tower_of_scores_brings_a_field},
        {"other items have the score of their pair",
         other_items_have_the_score_of_their_pair},
        {"each part may have its rows", each_part_may_have_its_rows},
        {"what is missing is named", what_is_missing_is_named},
        {"an outline reads no file", an_outline_reads_no_file},
        {"what makes no sense is refused", what_makes_no_sense_is_refused},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.dataset_scores", cases);
}
