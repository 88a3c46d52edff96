/* fusor bench rows: one shard's table by one thread, without messages: rows
 * made, found, read and trained, and the memory they take. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/bench_report.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "store/shard.h"

#define REPEATS_MAX 10000

struct rows_options {
    uint64_t rows, width, batch, repeats;
    int dtype;     // enum row_dtype
    int optimizer; // enum optim_kind
};

static const char *const dtype_names[] = {"f32", "bf16", NULL};
/* All but the one for statistics of a batch, which comes last. */
static const char *const rule_names[] = {
    "sgd", "momentum", "adagrad", "rowwise_adagrad", "adam", "ftrl", NULL};

static const struct option_spec settings[] = {
    OPTION_SIZE(struct rows_options, rows, "10M", 1, 4e9, "rows of the table"),
    OPTION_SIZE(struct rows_options, width, "16", 1, 4096, "floats of a row"),
    OPTION_ENUM(struct rows_options, dtype, "f32", dtype_names,
                "how values are kept, as tables.NAME.dtype"),
    OPTION_ENUM(struct rows_options, optimizer, "adagrad", rule_names,
                "the rule, with its defaults"),
    OPTION_SIZE(struct rows_options, batch, "100k", 1, 1e7,
                "different rows of a unit, drawn evenly from all"),
    OPTION_SIZE(struct rows_options, repeats, "50", 1, REPEATS_MAX,
                "units that are measured"),
    OPTION_END,
};

enum phase { LOOK_UP, READ, APPLY, N_PHASES };

static const char *const phase_names[] = {"look up", "read", "apply"};

struct rows_bench {
    struct rows_options o;
    struct table_spec table;
    struct param_spec params;
    struct shard *shard;
    uint64_t *keys;      // [batch]
    uint32_t *refs;      // [batch]
    float *values;       // [batch, width]
    float *grads;        // [batch, width]
    uint64_t clock;      // units so far
    double made_seconds; // of all rows
    double seconds[N_PHASES][REPEATS_MAX];
};

/* Keys of a table are spread over 64 bits, as ids of users are. */
static uint64_t key_of(uint64_t row)
{
    return hash_mix(row + 1);
}

static enum fusor_status resolve(struct rows_bench *b, size_t n,
                                 struct fusor_error *err)
{
    return shard_resolve(b->shard, 0, b->keys, n, RESOLVE_TRAIN, b->clock,
                         b->refs, err);
}

static enum fusor_status make_rows(struct rows_bench *b,
                                   struct fusor_error *err)
{
    double started = clock_seconds();

    for (uint64_t at = 0; at < b->o.rows;) {
        uint64_t left = b->o.rows - at;
        size_t n = (size_t)(left < b->o.batch ? left : b->o.batch);

        for (size_t i = 0; i < n; i++)
            b->keys[i] = key_of(at + i);
        FUSOR_TRY(resolve(b, n, err));
        at += n;
        b->clock++;
    }
    b->made_seconds = clock_seconds() - started;
    return FUSOR_OK;
}

/* Different rows, evenly spread: one out of each of batch equal stretches, in
 * the order of their hashes, which is none. */
static void draw(struct rows_bench *b, struct rng *g)
{
    uint64_t n = b->o.batch;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t from = (uint64_t)((double)b->o.rows * (double)i / (double)n);
        uint64_t to =
            (uint64_t)((double)b->o.rows * (double)(i + 1) / (double)n);

        b->keys[i] = key_of(from + (to > from ? rng_below(g, to - from) : 0));
    }
    for (uint64_t i = n; i > 1; i--) {
        uint64_t k = rng_below(g, i), other = b->keys[k];

        b->keys[k] = b->keys[i - 1];
        b->keys[i - 1] = other;
    }
}

static enum fusor_status one_unit(struct rows_bench *b,
                                  double seconds[N_PHASES],
                                  struct fusor_error *err)
{
    struct shard_rows rows = {
        .n = (uint32_t)b->o.batch, .refs = b->refs, .packed = b->grads};
    struct shard_push push = {.tables = &rows};
    double t[N_PHASES + 1];

    t[LOOK_UP] = clock_seconds();
    FUSOR_TRY(resolve(b, b->o.batch, err));
    t[READ] = clock_seconds();
    shard_read_rows(b->shard, 0, b->keys, b->refs, b->o.batch, b->values);
    t[APPLY] = clock_seconds();
    FUSOR_TRY(shard_apply(b->shard, &push, 1, b->clock++, err));
    t[N_PHASES] = clock_seconds();
    for (int p = 0; p < N_PHASES; p++)
        seconds[p] = t[p + 1] - t[p];
    return FUSOR_OK;
}

/* Even in [-0.01, 0.01): not the values themselves, which would shrink to
 * denormals. */
static void draw_grads(struct rows_bench *b, struct rng *g)
{
    for (uint64_t i = 0; i < b->o.batch * b->o.width; i++)
        b->grads[i] = 0.02f * rng_float(g) - 0.01f;
}

static enum fusor_status measure(struct rows_bench *b, struct fusor_error *err)
{
    struct rng g = rng_stream(1, RNG_TEST, b->o.rows, b->o.batch);
    struct optim_span span = {.plateau_factor = 1};
    double seconds[N_PHASES];

    FUSOR_TRY(shard_begin_span(b->shard, &span, 1 << 20, err));
    FUSOR_TRY(make_rows(b, err));
    draw_grads(b, &g);
    for (uint64_t r = 0; r <= b->o.repeats; r++) {
        draw(b, &g);
        FUSOR_TRY(one_unit(b, seconds, err));
        for (int p = 0; r > 0 && p < N_PHASES; p++) // the first warms up
            b->seconds[p][r - 1] = seconds[p];
    }
    for (int p = 0; p < N_PHASES; p++)
        bench_sort(b->seconds[p], b->o.repeats);
    return FUSOR_OK;
}

static double rate(const struct rows_bench *b, int phase)
{
    return (double)b->o.batch /
           bench_quantile(b->seconds[phase], b->o.repeats, 0.5);
}

static enum fusor_status print_json(const struct rows_bench *b,
                                    struct fusor_error *err)
{
    struct shard_counters c = shard_counters(b->shard);
    struct mem_resident m = mem_resident();
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "bench", "rows");
    json_uint(&j, "rows", c.rows);
    json_uint(&j, "width", b->o.width);
    json_string(&j, "dtype", dtype_names[b->o.dtype]);
    json_string(&j, "optimizer", rule_names[b->o.optimizer]);
    json_uint(&j, "batch", b->o.batch);
    json_uint(&j, "repeats", b->o.repeats);
    json_string(&j, "vector_level", cpu_level_name(cpu_level()));
    json_number(&j, "made_per_s", (double)c.rows / b->made_seconds);
    json_number(&j, "found_per_s", rate(b, LOOK_UP));
    json_number(&j, "read_per_s", rate(b, READ));
    json_number(&j, "applied_per_s", rate(b, APPLY));
    json_uint(&j, "slab_bytes", c.slab_bytes);
    json_uint(&j, "index_bytes", c.index_bytes);
    json_uint(&j, "scratch_bytes", c.scratch_bytes);
    json_uint(&j, "rss_bytes", m.all);
    json_uint(&j, "peak_rss_bytes", m.most);
    json_uint(&j, "huge_pages_got", c.huge_got);
    json_uint(&j, "huge_pages_wanted", c.huge_wanted);
    json_end_object(&j);
    return output_json(&j, err);
}

static void describe(const struct rows_bench *b, struct strbuf *out)
{
    struct shard_counters c = shard_counters(b->shard);
    struct mem_resident m = mem_resident();
    char slab[16], index[16], now[16], most[16];

    strbuf_addf(
        out,
        "%llu rows x %llu, %s, %s: %.1f bytes a row; rows %s, index "
        "%s; RSS %s, at most %s; huge pages %llu of %llu\n"
        "units of %llu different rows, one thread, medians of %llu\n",
        (unsigned long long)c.rows, (unsigned long long)b->o.width,
        dtype_names[b->o.dtype], rule_names[b->o.optimizer],
        (double)(c.slab_bytes + c.index_bytes) / (double)c.rows,
        str_bytes((double)c.slab_bytes, slab),
        str_bytes((double)c.index_bytes, index), str_bytes((double)m.all, now),
        str_bytes((double)m.most, most), (unsigned long long)c.huge_got,
        (unsigned long long)c.huge_wanted, (unsigned long long)b->o.batch,
        (unsigned long long)b->o.repeats);
}

static enum fusor_status print_table(const struct rows_bench *b,
                                     struct fusor_error *err)
{
    static const char *const columns[] = {"", ">rows/s", NULL};
    struct texttab *t = texttab_create(columns);
    struct strbuf text = {0};
    char cell[32];
    const char *cells[2] = {"make", cell};

    describe(b, &text);
    FUSOR_TRY(output_text(&text, err));
    snprintf(cell, sizeof(cell), "%.3g M",
             1e-6 * (double)b->o.rows / b->made_seconds);
    texttab_row(t, cells);
    for (int p = 0; p < N_PHASES; p++) {
        cells[0] = phase_names[p];
        snprintf(cell, sizeof(cell), "%.3g M", 1e-6 * rate(b, p));
        texttab_row(t, cells);
    }
    return output_table(t, err);
}

static enum fusor_status make_shard(struct rows_bench *b,
                                    struct fusor_error *err)
{
    struct optim_spec rule;
    struct shard_config config = {.params = &b->params,
                                  .table_optim = &rule,
                                  .n_shards = 1,
                                  .fd = -1,
                                  .huge = 1,
                                  .job_id = 1};

    b->table = (struct table_spec){.name = "rows",
                                   .width = (uint32_t)b->o.width,
                                   .init = INIT_NORMAL,
                                   .init_scale = 0.01f,
                                   .dtype = (enum row_dtype)b->o.dtype};
    b->params =
        (struct param_spec){.seed = 1, .n_tables = 1, .tables = &b->table};
    optim_spec_default((enum optim_kind)b->o.optimizer, &rule);
    return shard_create(&config, &b->shard, err);
}

static enum fusor_status bench(struct rows_bench *b, int as_json,
                               struct fusor_error *err)
{
    enum fusor_status rc;

    b->keys = mem_alloc(b->o.batch, sizeof(*b->keys));
    b->refs = mem_alloc(b->o.batch, sizeof(*b->refs));
    b->values = mem_alloc(b->o.batch * b->o.width, sizeof(*b->values));
    b->grads = mem_alloc(b->o.batch * b->o.width, sizeof(*b->grads));
    if (!b->keys || !b->refs || !b->values || !b->grads)
        return mem_fail(err, "bench rows", b->o.batch * b->o.width * 4);
    rc = make_shard(b, err);
    if (rc == FUSOR_OK)
        rc = measure(b, err);
    if (rc != FUSOR_OK)
        return rc;
    return as_json ? print_json(b, err) : print_table(b, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct rows_bench *b = mem_alloc(1, sizeof(*b));
    enum fusor_status rc;

    if (!b)
        return mem_fail(err, "bench rows", sizeof(*b));
    rc = option_read(settings, yaml_root(a->settings), a->table->command, &b->o,
                     err);
    if (rc == FUSOR_OK && b->o.batch > b->o.rows)
        b->o.batch = b->o.rows;
    if (rc == FUSOR_OK)
        rc = bench(b, args_flag(a, "json"), err);
    shard_destroy(b->shard);
    mem_free(b->keys);
    mem_free(b->refs);
    mem_free(b->values);
    mem_free(b->grads);
    mem_free(b);
    return rc;
}

const struct verb verb_bench_rows = {
    .name = "bench rows",
    .help = "one shard's rows: made, found, read, trained; their memory",
    .synopsis = "[options]",
    .about =
        "One thread and no messages: what a server's shard, or a process "
        "alone, "
        "does with\nthe rows of a unit.\n"
        "\n"
        "  make     rows that were not there, with their initial values\n"
        "  look up  keys to places of rows\n"
        "  read     values of these rows, copied one after the other as f32\n"
        "  apply    one step of the rule on each of them\n",
    .examples = "  fusor bench rows --rows 100M --dtype bf16 --optimizer "
                "rowwise_adagrad\n",
    .args = {"bench rows", bench_args, settings, NULL, 0, 0},
    .run = run,
};
