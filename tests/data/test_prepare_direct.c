/* The direct path must give what the long way gives; quotes: true takes the
 * long way, since quotes may hide a separator. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/part.h"
#include "data/prepare.h"
#include "data/schema.h"

static struct fusor_error err;

static const char fields[] =
    "label: {column: y, range: [0, 1]}\n"
    "weight: w\n"
    "fields:\n"
    "  n: {type: dense, range: [-5, 1e6]}\n"
    "  need: {type: dense, required: true}\n"
    "  b: {column: n, type: categorical, buckets: log2sq}\n"
    "  c: {repeat: 1..2, type: categorical, modulo: 1000}\n"
    "  h: {type: categorical, hash: 97, required: true}\n"
    "  g: {column: h, type: categorical, hash: true}\n";

static const char names[] = "y\tw\tn\tneed\tc1\tc2\th\n";

/* Everything that can be right or wrong in a line, n times. */
static void make_rows(struct strbuf *out, int n)
{
    static const char *const lines[] = {
        "1\t1\t12\t1\tff\tDEADbeef\tx\n",
        "0\t0.5\t\t-3\t\t0\tlonger text\r\n",
        "0\t\t-4\t1e3\t123456789abcdef0\t7\t x \n",
        "\n",
        "1\t1\t70000\t1\t1\t1\n",         // a column too few
        "1\t1\t7\t1\t1\t1\tx\ty\n",       // too many
        "2\t1\t7\t1\t1\t1\tx\n",          // label out of range
        "\t1\t7\t1\t1\t1\tx\n",           // no label
        "1\t-1\t7\t1\t1\t1\tx\n",         // weight
        "1\t1\tseven\t1\t1\t1\tx\n",      // no number
        "1\t1\t-6\t1\t1\t1\tx\n",         // out of range
        "1\t1\t7\t\t1\t1\tx\n",           // required
        "1\t1\t7\t1\t0x1\t1\tx\n",        // no hexadecimal number
        "1\t1\t7\t1\t1\t1\t \n",          // required
        "1\t1\t7\t1\t1\t1\t\xff\n",       // no UTF-8
        "1\t1\t7\t1\t1\t1\t\xc3\xbc\r\n", // UTF-8
        "1\t1\tNA\t 5 \t 1\t1 \tx\n",
        "\r\n",
    };

    strbuf_add(out, names);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++)
            strbuf_add(out, lines[(k * 7 + (size_t)i) % 18]);
    strbuf_add(out, "1\t1\t123456.75\t1234567890123\tabc\tABC\tlast");
}

static enum fusor_status prepare(const char *name, const char *input,
                                 const char *schema, const char *more,
                                 struct prepare_report *report)
{
    struct prepare_options o;
    struct strbuf text = {0};
    char out[FS_PATH_MAX];
    struct yaml *y = NULL;
    enum fusor_status rc;

    fs_join(out, test_tmpdir(), name);
    strbuf_addf(&text,
                "input: \"%s\"\nout: \"%s\"\nformat: tsv\nschema: \"%s\"\n%s",
                input, out, schema, more);
    REQUIRE(yaml_parse(text.s, text.len, "options", &y, &err) == FUSOR_OK);
    rc = option_read(prepare_option_specs, yaml_root(y), "prepare", &o, &err);
    if (rc == FUSOR_OK)
        rc = prepare_run(&o, report, &err);
    yaml_destroy(y);
    strbuf_clear(&text);
    return rc;
}

static int same_file(const char *a, const char *b, const char *file)
{
    char dir[FS_PATH_MAX], path[FS_PATH_MAX], *x = NULL, *y = NULL;
    size_t n = 0, m = 1;
    int same;

    fs_join(path, fs_join(dir, test_tmpdir(), a), file);
    REQUIRE(fs_read(path, 1 << 28, &x, &n, &err) == FUSOR_OK);
    fs_join(path, fs_join(dir, test_tmpdir(), b), file);
    REQUIRE(fs_read(path, 1 << 28, &y, &m, &err) == FUSOR_OK);
    same = n == m && !memcmp(x, y, n);
    mem_free(x);
    mem_free(y);
    return same;
}

static void check_reports(const struct prepare_report *a,
                          const struct prepare_report *b)
{
    CHECK(a->rows_read == b->rows_read && a->rows_kept == b->rows_kept);
    CHECK(!memcmp(a->bad, b->bad, sizeof(a->bad)));
    CHECK(!memcmp(a->rows, b->rows, sizeof(a->rows)));
    REQUIRE(a->n_examples == b->n_examples);
    for (uint32_t i = 0; i < a->n_examples; i++)
        CHECK(!strcmp(a->examples[i], b->examples[i]));
}

/* Statistics are summed in another order. */
static void check_stats(const char *a, const char *b)
{
    struct schema *x = mem_alloc(2, sizeof(*x));
    char dir[FS_PATH_MAX];

    REQUIRE(x != NULL);
    REQUIRE(schema_read(fs_join(dir, test_tmpdir(), a), x, &err) == FUSOR_OK);
    REQUIRE(schema_read(fs_join(dir, test_tmpdir(), b), x + 1, &err) ==
            FUSOR_OK);
    CHECK(x[0].n_fields == x[1].n_fields && x[0].n_valid == x[1].n_valid);
    CHECK(x[0].label_max == x[1].label_max);
    for (uint32_t i = 0; i < x[0].n_fields; i++) {
        const struct schema_field *f = &x[0].fields[i], *g = &x[1].fields[i];

        CHECK(f->min == g->min && f->max == g->max);
        CHECK(test_close(f->mean, g->mean, 0, 1e-9));
        CHECK(test_close(f->std, g->std, 0, 1e-9));
        CHECK(f->spec.cardinality == g->spec.cardinality);
    }
    mem_free(x);
}

static void both_ways_give_the_same(void)
{
    struct prepare_report slow, fast;
    struct strbuf rows = {0}, quoted = {0};
    char schema[FS_PATH_MAX], slow_schema[FS_PATH_MAX], input[FS_PATH_MAX];
    const char *more = "max_bad: 1M\nvalid_last: 30%\n";

    make_rows(&rows, 3000); // 3 blocks
    strbuf_addf(&quoted, "quotes: true\n%s", fields);
    snprintf(input, sizeof(input), "%s", test_write("a.tsv", rows.s));
    snprintf(schema, sizeof(schema), "%s", test_write("s.yaml", fields));
    snprintf(slow_schema, sizeof(slow_schema), "%s",
             test_write("q.yaml", quoted.s));
    REQUIRE(prepare("slow", input, slow_schema, more, &slow) == FUSOR_OK);
    for (int threads = 1; threads <= 3; threads++) {
        struct strbuf text = {0};

        strbuf_addf(&text, "%sthreads: %d\n", more, threads);
        REQUIRE(prepare("fast", input, schema, text.s, &fast) == FUSOR_OK);
        strbuf_clear(&text);
        check_reports(&slow, &fast);
        CHECK(same_file("slow", "fast", "train.part"));
        CHECK(same_file("slow", "fast", "valid.part"));
        check_stats("slow", "fast");
    }
    CHECK(fast.rows_kept == 3000 * 5 + 1 && fast.bad[BAD_COLUMNS] == 6000);
    strbuf_clear(&rows);
    strbuf_clear(&quoted);
}

static void files_for_each_part_stay_apart(void)
{
    struct prepare_report r;
    struct strbuf rows = {0}, more = {0};
    char schema[FS_PATH_MAX], dir[FS_PATH_MAX], path[FS_PATH_MAX];
    struct part *p;

    make_rows(&rows, 2);
    snprintf(schema, sizeof(schema), "%s", test_write("s.yaml", fields));
    strbuf_addf(&more, "protocol: given\nmax_bad: 1k\nvalid: \"%s\"\n",
                test_write("v.tsv", "y\tw\tn\tneed\tc1\tc2\th\n"
                                    "1\t1\t1\t1\t1\t1\tx\n"));
    REQUIRE(prepare("given", test_write("t.tsv", rows.s), schema, more.s, &r) ==
            FUSOR_OK);
    CHECK(r.rows[0] == 11 && r.rows[1] == 1 && r.rows[2] == 0);
    fs_join(path, fs_join(dir, test_tmpdir(), "given"), "valid.part");
    REQUIRE(part_open(path, &p, &err) == FUSOR_OK);
    CHECK(part_rows(p) == 1 && part_find(p, "need")->f32[0] == 1);
    part_close(p);
    strbuf_clear(&rows);
    strbuf_clear(&more);
}

static void too_many_bad_rows_end_the_run(void)
{
    struct prepare_report r;
    struct strbuf rows = {0};
    char schema[FS_PATH_MAX];

    make_rows(&rows, 1);
    snprintf(schema, sizeof(schema), "%s", test_write("s.yaml", fields));
    CHECK(prepare("bad", test_write("b.tsv", rows.s), schema, "max_bad: 3\n",
                  &r) == FUSOR_EDATA);
    CHECK(strstr(err.text, "more than 3 bad rows") != NULL);
    CHECK(strstr(err.text, "b.tsv:") != NULL);
    CHECK(prepare("bad", test_write("e.tsv", names), schema, "", &r) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "no good row") != NULL);
    strbuf_clear(&rows);
}

static void no_memory_is_an_error(void)
{
    struct prepare_report r;
    struct strbuf rows = {0};
    char schema[FS_PATH_MAX], input[FS_PATH_MAX];
    size_t before;
    int failures = 0;

    make_rows(&rows, 1);
    snprintf(schema, sizeof(schema), "%s", test_write("s.yaml", fields));
    snprintf(input, sizeof(input), "%s", test_write("m.tsv", rows.s));
    strbuf_clear(&rows);
    before = mem_used();
    for (long n = 30; n < 260; n += 3) {
        mem_fail_after(n);
        failures += prepare("mem", input, schema, "max_bad: 99\nthreads: 1\n",
                            &r) != FUSOR_OK;
        mem_fail_after(0);
        CHECK(mem_used() == before);
    }
    CHECK(failures > 10);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"both ways give the same, for any number of threads",
         both_ways_give_the_same},
        {"files for each part stay apart", files_for_each_part_stay_apart},
        {"too many bad rows end the run", too_many_bad_rows_end_the_run},
        {"no memory is an error and no leak", no_memory_is_an_error},
    };
    return TEST_RUN("data.prepare_direct", cases);
}
