/* A field of vectors, joined to a prepared folder by id or by row number. */
#include "data/prepared.h"

#include "harness.h"

#include "data/batcher.h"
#include "data/dataset.h"

static struct event events[] = {{1, 1, 1, 0, 0}, {2, 5, 1, 1, 0}};

static struct prepared folder(void)
{
    struct prepared p = {
        .n_users = 4, .n_items = 6, .train = events, .n_train = 2};

    prepared_write(&p, "vectors");
    return p;
}

/* Row k of the file is (k, k + 0.5). */
static void write_npy(char path[FS_PATH_MAX], unsigned n)
{
    unsigned char all[512] = "\x93NUMPY\x01\x00";
    float values[2 * 16];
    int length = snprintf((char *)all + 10, 200,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': "
                          "(%u, 2), }\n",
                          n);

    for (unsigned i = 0; i < 2 * n; i++)
        values[i] = (float)(i / 2) + 0.5f * (float)(i % 2);
    all[8] = (unsigned char)length;
    memcpy(all + 10 + length, values, n * 8);
    fs_join(path, test_tmpdir(), "emb.npy");
    REQUIRE(fs_write_atomic(path, all, 10 + (size_t)length + n * 8, NULL) ==
            FUSOR_OK);
}

static enum fusor_status open_field(const char *dir, const char *more,
                                    const char *npy, const char *ids,
                                    struct dataset **out,
                                    struct fusor_error *err)
{
    struct dataset_options o = {.dir = dir, .fold = -1};
    char text[2 * FS_PATH_MAX + 200];
    struct yaml *y;
    enum fusor_status rc;

    snprintf(text, sizeof(text),
             "user: {}\nitem: {}\nemb: {type: vector, file: %s%s%s%s}\n", npy,
             ids ? ", ids: " : "", ids ? ids : "", more);
    y = prepared_yaml(text);
    rc = dataset_open(&o, yaml_root(y), NULL, out, err);
    yaml_destroy(y);
    return rc;
}

/* Values of items 0 .. 5 against the rows they should have; -1: zeros. */
static void check_rows(struct dataset *ds, const int want[6])
{
    static const uint32_t items[] = {0, 1, 2, 3, 4, 5};
    struct batcher_query q = {.row = BATCHER_NO_ROW, .query = 1};
    struct batcher *b;
    struct batch out;

    REQUIRE(batcher_create(ds, 6, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_pairs(b, &q, items, 6, &out, NULL) == FUSOR_OK);
    for (int i = 0; i < 6; i++) {
        const float *v = out.fields[2].dense + 2 * i;

        CHECK(v[0] == (want[i] < 0 ? 0 : (float)want[i]));
        CHECK(v[1] == (want[i] < 0 ? 0 : (float)want[i] + 0.5f));
    }
    batcher_destroy(b);
}

static void an_id_list_says_whose_a_row_is(void)
{
    static const int want[] = {-1, 2, -1, 0, -1, 3};
    struct prepared p = folder();
    char npy[FS_PATH_MAX];
    const char *ids =
        test_write("emb.ids", "item 3\nnobody\r\nitem 1\nitem 5\r\n");
    struct fusor_error err = {0};
    struct dataset *ds = NULL;
    size_t n;

    write_npy(npy, 4);
    if (open_field(p.dir, ", side: item", npy, ids, &ds, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(ds != NULL);
    CHECK(dataset_fields(ds, &n)[2].type == FIELD_VECTOR);
    CHECK(dataset_fields(ds, &n)[2].width == 2);
    CHECK(dataset_fields(ds, &n)[2].side == SIDE_ITEM);
    CHECK(dataset_query_static(ds));
    check_rows(ds, want);
    dataset_close(ds);
}

static void without_a_list_keys_are_row_numbers(void)
{
    static const int want[] = {-1, 0, 3, -1, -1, 1};
    static const char *const keys[] = {"0", "3", "4", "x", "1"};
    struct prepared p = folder();
    struct vocab *v = vocab_create(NULL);
    char npy[FS_PATH_MAX], path[FS_PATH_MAX];
    struct dataset *ds = NULL;

    for (int i = 0; i < 5; i++)
        vocab_add(v, keys[i], strlen(keys[i]));
    REQUIRE(vocab_write(v, fs_join(path, p.dir, "item.vocab"), NULL) ==
            FUSOR_OK);
    vocab_destroy(v);
    write_npy(npy, 4);
    REQUIRE(open_field(p.dir, ", side: item", npy, NULL, &ds, NULL) ==
            FUSOR_OK);
    check_rows(ds, want);
    dataset_close(ds);
}

static void refuse(const char *more, const char *ids, const char *why)
{
    struct prepared p = folder();
    char npy[FS_PATH_MAX];
    struct fusor_error err = {0};
    struct dataset *ds = NULL;

    write_npy(npy, 3);
    CHECK(open_field(p.dir, more, npy, ids, &ds, &err) != FUSOR_OK);
    CHECK(strstr(err.text, why) != NULL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s\n", err.text);
    CHECK(strchr(err.text, '\n') == NULL);
    CHECK(ds == NULL);
}

static void what_does_not_fit_is_refused(void)
{
    const char *two = test_write("two.ids", "item 1\nitem 2\n");
    const char *twice = test_write("twice.ids", "item 1\nitem 2\nitem 1\n");
    const char *three = test_write("three.ids", "item 1\nitem 2\nitem 3\n");
    const char *foreign = test_write("foreign.ids", "a\nb\nc\n");

    refuse(", side: item", two, "2 ids");
    refuse(", side: item", twice, "again");
    refuse(", side: item", foreign, "no id");
    refuse(", side: item", "/nowhere/ids", "/nowhere/ids");
    refuse(", side: item, missing: error", three, "2 of 5 ids have no vector");
    refuse(", side: item, missing: maybe", three, "zeros or error");
    refuse(", side: item, tensor: a", three, "delete tensor");
    refuse(", side: row", three, "side: item");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"an id list says whose a row is", an_id_list_says_whose_a_row_is},
        {"without a list keys are row numbers",
         without_a_list_keys_are_row_numbers},
        {"what does not fit is refused", what_does_not_fit_is_refused},
    };
    return TEST_RUN("data.dataset_vectors", cases);
}
