/* The one pass for rows that need no dictionary. Every thread does all the
 * work of a block: reads its lines when it is its turn to read, parses them
 * alone, and adds its columns to the part when it is its turn to write. The
 * cuts of the blocks depend on the bytes of the input alone, so the result
 * does not depend on the number of threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cpu.h"
#include "base/fs.h"
#include "data/prepare_block.h"

#define MAX_THREADS 64

static const char *const part_names[] = {"train.part", "valid.part",
                                         "test.part"};

/* The rows of one table on their way into one part. */
struct direct {
    struct prep *p;
    int part;
    struct part_writer *out;
    pthread_mutex_t reading; // guards the table, n_read, at_end
    uint64_t n_read;         // blocks
    int at_end;
    pthread_mutex_t writing; // guards everything below and the report
    pthread_cond_t turn;
    uint64_t n_written; // blocks
    uint64_t lines;     // of the blocks written
    atomic_int stop;    // somebody failed
    enum fusor_status status;
    struct fusor_error err;
};

struct direct_thread {
    struct direct *d;
    struct prep_block *block;
    pthread_t thread;
};

int prep_is_direct(const struct prep *p)
{
    int by_order = p->protocol->cut && !p->has_time;

    if (p->options->dedupe || !prep_block_fits(p))
        return 0;
    return by_order || !strcmp(p->protocol->name, "none") ||
           p->protocol->flags & PROTOCOL_FILES;
}

/* @return the number of the block, with *n bytes; *n = 0: there is none */
static uint64_t read_block(struct direct *d, struct prep_block *b, size_t *n,
                           enum fusor_status *rc, struct fusor_error *err)
{
    struct table *t = d->p->source.rows[d->part];
    uint64_t number;

    *n = 0;
    *rc = FUSOR_OK;
    pthread_mutex_lock(&d->reading);
    if (!d->at_end && !atomic_load(&d->stop))
        *rc = t->ops->lines(t, prep_block_text(b), n, err);
    d->at_end |= *n == 0 || *rc != FUSOR_OK;
    number = d->n_read;
    d->n_read += *n > 0 || *rc != FUSOR_OK;
    pthread_mutex_unlock(&d->reading);
    return number;
}

static enum fusor_status report_faults(struct direct *d,
                                       const struct prep_block *b,
                                       struct fusor_error *err)
{
    const struct table *t = d->p->source.rows[d->part];
    size_t n;
    const struct block_fault *f = prep_block_faults(b, &n);

    for (size_t i = 0; i < n; i++)
        FUSOR_TRY(prep_bad_row(d->p, t->path,
                               t->first_line + d->lines + f[i].line + 1,
                               f[i].column, f[i].cause, f[i].what, err));
    return FUSOR_OK;
}

static enum fusor_status write_block(struct direct *d,
                                     const struct prep_block *b,
                                     struct fusor_error *err)
{
    size_t n_columns = (size_t)d->p->stage_time + (d->p->has_time != 0);
    uint32_t n = prep_block_rows(b);

    d->p->report->rows_read += prep_block_rows_read(b);
    FUSOR_TRY(report_faults(d, b, err));
    for (size_t c = 0; c < n_columns; c++)
        FUSOR_TRY(part_add(d->out, c, prep_block_values(b, c), n, err));
    d->p->report->rows[d->part] += n;
    d->lines += prep_block_lines(b);
    return FUSOR_OK;
}

/* Wait for the blocks before; then it is this one's turn. */
static void deliver(struct direct *d, const struct prep_block *b,
                    uint64_t number, enum fusor_status rc,
                    struct fusor_error *err)
{
    pthread_mutex_lock(&d->writing);
    while (d->n_written != number && !atomic_load(&d->stop))
        pthread_cond_wait(&d->turn, &d->writing);
    if (!atomic_load(&d->stop)) {
        if (rc == FUSOR_OK)
            rc = write_block(d, b, err);
        if (rc != FUSOR_OK) {
            d->status = rc;
            d->err = *err;
            atomic_store(&d->stop, 1);
        }
    }
    d->n_written++;
    pthread_cond_broadcast(&d->turn);
    pthread_mutex_unlock(&d->writing);
}

static void *run_thread(void *arg)
{
    struct direct_thread *t = arg;
    struct fusor_error err;
    enum fusor_status rc;

    for (;;) {
        size_t n;
        uint64_t number = read_block(t->d, t->block, &n, &rc, &err);

        if (rc == FUSOR_OK && n == 0)
            return NULL;
        if (rc == FUSOR_OK)
            rc = prep_block_parse(t->block, n, &err);
        deliver(t->d, t->block, number, rc, &err);
    }
}

/* The first thread is the caller's. */
static void run_all(struct direct_thread *threads, int n)
{
    int started = 1;

    while (started < n && !pthread_create(&threads[started].thread, NULL,
                                          run_thread, &threads[started]))
        started++; // fewer threads do the same work
    run_thread(&threads[0]);
    for (int i = 1; i < started; i++)
        pthread_join(threads[i].thread, NULL);
}

static int thread_count(const struct prep *p)
{
    int n = p->options->threads ? (int)p->options->threads : cpu_count();

    return n < MAX_THREADS ? n : MAX_THREADS;
}

static enum fusor_status read_table(struct direct *d, struct fusor_error *err)
{
    struct direct_thread threads[MAX_THREADS] = {{0}};
    int n = thread_count(d->p);
    enum fusor_status rc = FUSOR_OK;

    pthread_mutex_init(&d->reading, NULL);
    pthread_mutex_init(&d->writing, NULL);
    pthread_cond_init(&d->turn, NULL);
    for (int i = 0; i < n && rc == FUSOR_OK; i++) {
        threads[i].d = d;
        rc = prep_block_create(d->p, d->part, &threads[i].block, err);
    }
    if (rc == FUSOR_OK) {
        run_all(threads, n);
        rc = d->status;
        if (rc != FUSOR_OK && err)
            *err = d->err;
    }
    for (int i = 0; i < n; i++)
        prep_block_destroy(threads[i].block);
    pthread_cond_destroy(&d->turn);
    pthread_mutex_destroy(&d->writing);
    pthread_mutex_destroy(&d->reading);
    return rc;
}

/* Statistics of train rows while they go into their part. */
static void see_values(void *self, size_t column, const void *values,
                       size_t n_bytes)
{
    struct prep *p = self;

    if (column == (size_t)p->stage_label)
        prep_stats_add_all(&p->label_stats, values, n_bytes / sizeof(float));
    for (uint32_t i = 0; i < p->n_fields; i++)
        if (p->fields[i].stage == (int)column &&
            p->fields[i].spec.type == COLUMN_F32)
            prep_stats_add_all(&p->fields[i].stats, values,
                               n_bytes / sizeof(float));
}

static enum fusor_status write_rows(struct direct *d, int part, uint64_t first,
                                    uint64_t n, struct fusor_error *err)
{
    const struct part_watch watch = {see_values, d->p};
    char path[FS_PATH_MAX];

    d->p->report->rows[part] = n;
    if (n == 0 && part != ROW_TRAIN)
        return FUSOR_OK;
    return part_write_rows(d->out,
                           fs_join(path, d->p->options->out, part_names[part]),
                           first, n, part == ROW_TRAIN ? &watch : NULL, err);
}

/* The rows of one table become one part, or are cut into all of them. */
static enum fusor_status write_parts(struct direct *d, struct fusor_error *err)
{
    uint64_t n = d->p->report->rows[d->part], train = n, valid = n;
    struct split_facts facts = {
        .n = n, .train = d->p->train_share, .valid = d->p->valid_share};

    if (d->p->protocol->flags & PROTOCOL_FILES)
        return write_rows(d, d->part, 0, n, err);
    FUSOR_TRY(prep_need_rows(d->p, n, err));
    if (d->p->protocol->cut)
        d->p->protocol->cut(&facts, &train, &valid);
    FUSOR_TRY(write_rows(d, ROW_TRAIN, 0, train, err));
    FUSOR_TRY(write_rows(d, ROW_VALID, train, valid - train, err));
    return write_rows(d, ROW_TEST, valid, n - valid, err);
}

static enum fusor_status take_table(struct prep *p, int part,
                                    struct fusor_error *err)
{
    struct column_spec specs[SCHEMA_MAX_FIELDS + 3];
    struct direct d = {.p = p, .part = part};
    size_t n = (size_t)p->stage_time + (p->has_time != 0);
    char path[FS_PATH_MAX];
    enum fusor_status rc;

    for (size_t c = 0; c < n; c++)
        specs[c] = stage_column(p->stage, c)->spec;
    fs_join(path, p->options->out, part_names[part]);
    FUSOR_TRY(part_create(path, specs, n, &d.out, err));
    rc = read_table(&d, err);
    if (rc == FUSOR_OK)
        rc = write_parts(&d, err);
    part_abandon(d.out);
    return rc;
}

enum fusor_status prep_direct(struct prep *p, struct fusor_error *err)
{
    struct prepare_report *r = p->report;

    for (int part = 0; part < SOURCE_PARTS; part++)
        if (p->source.rows[part])
            FUSOR_TRY(take_table(p, part, err));
    r->rows_kept = r->rows[0] + r->rows[1] + r->rows[2];
    return prep_need_rows(p, r->rows_kept, err);
}
