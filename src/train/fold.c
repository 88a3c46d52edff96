/* Scores of a held-out fold, to files and back. */
#include "train/fold.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "train/shares.h"

uint64_t fold_draw_number(const struct workload *w)
{
    return (uint64_t)w->options.stages[w->options.head].number << 32;
}

static const struct negatives *negatives_of(const struct workload *whole)
{
    return &whole->objectives.stages[whole->options.head].negatives;
}

/* A record: the row's number and [each][n_towers] scores. */
static struct shares files_of(const struct workload *whole)
{
    uint64_t facts[4] = {whole->options.train.seed, whole->options.n_folds,
                         dataset_rows(whole->data, SPLIT_TRAIN),
                         fold_draw_number(whole)};
    uint32_t n_towers = model_n_towers(whole->model);
    uint32_t each = negatives_samples(negatives_of(whole));

    return (struct shares){
        .folder = "out_of_fold",
        .suffix = ".scores",
        .magic = "fusorOOF",
        .what = "scores of a fold",
        .job = hash_bytes(facts, sizeof(facts), 0),
        .shape = {n_towers, each},
        .entry = sizeof(uint32_t) + (size_t)each * n_towers * sizeof(float),
    };
}

enum fusor_status fold_clear(const struct workload *whole, const char *run_dir,
                             uint32_t fold, struct fusor_error *err)
{
    struct shares files = files_of(whole);

    return shares_clear(&files, run_dir, fold, err);
}

/* A share under way: a batch is as many whole rows as fit a micro-batch. */
struct share {
    struct worker *w;
    const struct workload *whole;
    uint32_t *first;    // [micro_rows + 1] sample of each row of the batch
    uint32_t n, n_rows; // samples, rows of the batch
    struct strbuf *out;
};

/* The train row with this sample id, by position: ids ascend. */
static uint32_t find_row(const struct dataset *ds, uint64_t id)
{
    uint64_t lo = 0, hi = dataset_rows(ds, SPLIT_TRAIN);

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;

        if (dataset_sample_id(ds, SPLIT_TRAIN, mid) < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (uint32_t)lo;
}

/* Row i of the batch, its missing samples as NaN. */
static void add_entry(struct share *s, uint32_t i)
{
    uint32_t each = negatives_samples(negatives_of(s->whole));
    uint32_t n_towers = model_n_towers(s->whole->model);
    uint32_t n = s->first[i + 1] - s->first[i];

    strbuf_add_n(s->out, (const char *)&s->w->drawn[i], sizeof(uint32_t));
    for (uint32_t k = 0; k < each; k++)
        for (uint32_t t = 0; t < n_towers; t++) {
            const float *says = model_tower_scores(s->w->run, t);
            float v = k < n ? says[s->first[i] + k] : NAN;

            strbuf_add_n(s->out, (const char *)&v, sizeof(v));
        }
}

static enum fusor_status flush(struct share *s, struct fusor_error *err)
{
    struct step *step = &s->w->ring[0];
    struct step_micro *m;

    if (s->n) {
        step_reset(step, 0);
        m = step_next_micro(step, 0);
        FUSOR_TRY(batcher_fill_items(m->batcher, SPLIT_TEST, s->w->rows,
                                     s->w->items, s->n, &m->batch, err));
        FUSOR_TRY(worker_score(s->w, m, err));
    }
    for (uint32_t i = 0; i < s->n_rows; i++)
        add_entry(s, i);
    s->n = s->n_rows = 0;
    return s->out->failed ? mem_fail(err, "scores of a fold", s->out->len)
                          : FUSOR_OK;
}

static enum fusor_status share_rows(struct share *s, uint64_t begin,
                                    uint64_t end, struct fusor_error *err)
{
    const struct dataset *held = s->w->workload->data, *all = s->whole->data;
    const struct negatives *negatives = negatives_of(s->whole);
    uint32_t each = negatives_samples(negatives);

    for (uint64_t i = begin; i < end; i++) {
        uint32_t row = find_row(all, dataset_sample_id(held, SPLIT_TEST, i));
        uint32_t n;

        if (s->n + each > s->w->micro_rows)
            FUSOR_TRY(flush(s, err));
        n = negatives_expand(negatives, all, SPLIT_TRAIN,
                             s->whole->options.train.seed,
                             fold_draw_number(s->whole), &row, 1,
                             s->w->rows + s->n, s->w->items + s->n);
        for (uint32_t k = 0; k < n; k++)
            s->w->rows[s->n + k] = (uint32_t)i;
        s->w->drawn[s->n_rows] = row;
        s->first[s->n_rows++] = s->n;
        s->n += n;
        s->first[s->n_rows] = s->n;
        if (s->n_rows == s->w->micro_rows)
            FUSOR_TRY(flush(s, err));
    }
    return flush(s, err);
}

enum fusor_status fold_share(struct worker *w, const struct workload *whole,
                             uint32_t worker, uint32_t n_workers,
                             struct strbuf *out, struct fusor_error *err)
{
    uint64_t n = dataset_rows(w->workload->data, SPLIT_TEST);
    struct share s = {.w = w, .whole = whole, .out = out};
    enum fusor_status rc;

    s.first = mem_alloc((size_t)w->micro_rows + 1, sizeof(*s.first));
    if (!s.first)
        return mem_fail(err, "scores of a fold",
                        w->micro_rows * sizeof(*s.first));
    rc = share_rows(&s, n * worker / n_workers, n * (worker + 1) / n_workers,
                    err);
    mem_free(s.first);
    return rc;
}

enum fusor_status fold_write(const char *run_dir, const struct workload *whole,
                             uint32_t fold, uint32_t first,
                             const struct strbuf *const *parts, size_t n,
                             struct fusor_error *err)
{
    struct shares files = files_of(whole);

    return shares_write(&files, run_dir, fold, first, parts, n, err);
}

struct reading {
    struct shares_sink sink; // first
    struct fold_scores *scores;
};

static enum fusor_status take(struct shares_sink *self, const char *path,
                              const char *record, struct fusor_error *err)
{
    struct fold_scores *s = ((struct reading *)(void *)self)->scores;
    size_t width = (size_t)s->each * s->n_towers;
    uint32_t row;

    memcpy(&row, record, sizeof(row));
    if (row >= s->n_rows)
        return fusor_fail(err, FUSOR_EDATA, "%s: row %u of %llu", path, row,
                          (unsigned long long)s->n_rows);
    memcpy(s->values + row * width, record + sizeof(row),
           width * sizeof(float));
    return FUSOR_OK;
}

/* Is a score of the sample not there, or not a number? Some towers may say
 * nothing, but not all of them. */
static int is_lost(const struct model *m, const float *says, uint32_t n_towers)
{
    uint32_t silent = 0;

    for (uint32_t t = 0; t < n_towers; t++) {
        if (isnan(says[t]) && !model_tower_may_be_silent(m, t))
            return 1;
        silent += isnan(says[t]) != 0;
    }
    return silent == n_towers;
}

/* Every row that gives samples has them. */
static enum fusor_status check_whole(const char *root,
                                     const struct workload *whole,
                                     const struct fold_scores *s,
                                     struct fusor_error *err)
{
    const struct negatives *negatives = negatives_of(whole);
    size_t width = (size_t)s->each * s->n_towers;
    uint64_t lost = 0;

    for (uint64_t i = 0; i < s->n_rows; i++) {
        uint32_t row = (uint32_t)i;

        lost +=
            is_lost(whole->model, s->values + i * width, s->n_towers) &&
            negatives_weight(negatives, whole->data, SPLIT_TRAIN, &row, 1) > 0;
    }
    if (lost == 0)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: %llu of %llu train rows have no score, or one that "
                      "is not a number: train in a new run directory",
                      root, (unsigned long long)lost,
                      (unsigned long long)s->n_rows);
}

enum fusor_status fold_read(const char *run_dir, const struct workload *whole,
                            struct fold_scores *out, struct fusor_error *err)
{
    struct shares files = files_of(whole);
    struct reading reading = {{take}, out};
    char root[FS_PATH_MAX];
    size_t n;
    enum fusor_status rc;

    *out =
        (struct fold_scores){.n_rows = dataset_rows(whole->data, SPLIT_TRAIN),
                             .n_towers = files.shape[0],
                             .each = files.shape[1]};
    n = out->n_rows * out->each * out->n_towers;
    out->values = mem_alloc_raw(n, sizeof(float));
    if (!out->values)
        return mem_fail(err, "scores out of fold", n * sizeof(float));
    memset(out->values, 0xff, n * sizeof(float)); // NaN
    rc = shares_read(&files, run_dir, SHARES_ALL, &reading.sink, err);
    if (rc == FUSOR_OK)
        rc = check_whole(fs_join(root, run_dir, files.folder), whole, out, err);
    if (rc != FUSOR_OK)
        fold_scores_clear(out);
    return rc;
}

void fold_scores_clear(struct fold_scores *s)
{
    mem_free(s->values);
    memset(s, 0, sizeof(*s));
}

void fold_gather(const struct fold_scores *s, const uint32_t *rows, uint32_t n,
                 float *out)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        k = i && rows[i] == rows[i - 1] ? k + 1 : 0;
        memcpy(out + (size_t)i * s->n_towers,
               s->values + ((size_t)rows[i] * s->each + k) * s->n_towers,
               s->n_towers * sizeof(float));
    }
}
