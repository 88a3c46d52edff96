/* Opening a checkpoint and loading what one shard owns of it: one pass that
 * verifies everything, then one that loads. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/checkpoint_format.h"
#include "store/shard_private.h"

static enum fusor_status check_files(const struct checkpoint *cp,
                                     struct fusor_error *err)
{
    for (size_t i = 0; i < cp->n; i++) {
        const struct file_head *h = &cp->files[i].head;

        if (h->job_id != cp->info.job_id || h->clock != cp->info.clock ||
            h->shard != i || h->n_shards != cp->n)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s is shard %u of %u at clock %llu, the "
                              "manifest needs shard %zu of %zu at %llu",
                              cp->files[i].path, h->shard, h->n_shards,
                              (unsigned long long)h->clock, i, cp->n,
                              (unsigned long long)cp->info.clock);
    }
    return FUSOR_OK;
}

enum fusor_status checkpoint_open(const char *dir, struct checkpoint **out,
                                  struct fusor_error *err)
{
    struct checkpoint *cp = mem_alloc(1, sizeof(*cp));
    struct checkpoint_part *parts = NULL;
    enum fusor_status rc;

    if (!cp)
        return mem_fail(err, "checkpoint", sizeof(*cp));
    rc = checkpoint_read_manifest(dir, cp, &parts, err);
    if (rc == FUSOR_OK) {
        cp->files = mem_alloc(cp->n, sizeof(*cp->files));
        if (!cp->files)
            rc = mem_fail(err, "checkpoint", cp->n * sizeof(*cp->files));
        for (size_t i = 0; cp->files && i < cp->n; i++)
            cp->files[i].fd = -1;
    }
    for (size_t i = 0; rc == FUSOR_OK && i < cp->n; i++)
        rc = checkpoint_file_open(&cp->files[i], dir, &parts[i], err);
    if (rc == FUSOR_OK)
        rc = check_files(cp, err);
    mem_free(parts);
    if (rc == FUSOR_OK)
        *out = cp;
    else
        checkpoint_close(cp);
    return rc;
}

void checkpoint_close(struct checkpoint *cp)
{
    if (!cp)
        return;
    for (size_t i = 0; cp->files && i < cp->n; i++)
        checkpoint_file_close(&cp->files[i]);
    mem_free(cp->files);
    mem_free(cp->config);
    mem_free(cp->metrics);
    mem_free(cp);
}

const struct checkpoint_info *checkpoint_info(const struct checkpoint *cp)
{
    return &cp->info;
}

size_t checkpoint_n_parts(const struct checkpoint *cp)
{
    return cp->n;
}

static int find_entry(const struct checkpoint_file *f, const char *name,
                      int stubs)
{
    for (uint32_t i = 0; i < f->head.n_tables; i++)
        if ((f->tables[i]->kind == FILE_KIND_STUBS) == stubs &&
            strcmp(f->tables[i]->name, name) == 0)
            return (int)i;
    return -1;
}

static int find_table(const struct checkpoint_file *f, const char *name)
{
    return find_entry(f, name, 0);
}

uint64_t checkpoint_n_rows(const struct checkpoint *cp, const char *table)
{
    uint64_t n = 0;

    for (size_t i = 0; i < cp->n; i++) {
        int t = find_table(&cp->files[i], table);

        n += t < 0 ? 0 : cp->files[i].tables[t]->n_rows;
    }
    return n;
}

uint32_t checkpoint_row_width(const struct checkpoint *cp, const char *table)
{
    for (size_t i = 0; i < cp->n; i++) {
        int t = find_table(&cp->files[i], table);

        if (t >= 0)
            return cp->files[i].tables[t]->width;
    }
    return 0;
}

uint64_t checkpoint_block_size(const struct checkpoint *cp, const char *block)
{
    for (size_t i = 0; i < cp->n; i++)
        for (uint32_t j = 0; j < cp->files[i].head.n_blocks; j++)
            if (strcmp(cp->files[i].blocks[j].name, block) == 0)
                return cp->files[i].blocks[j].block_size;
    return 0;
}

void checkpoint_choose(struct checkpoint *cp, const unsigned char *tables,
                       const unsigned char *blocks)
{
    cp->chosen_tables = tables;
    cp->chosen_blocks = blocks;
}

/* One load under way. */
struct loader {
    struct checkpoint *cp;
    struct shard *s;
    enum checkpoint_use use;
    int verify_only;
    unsigned char *buffer;
    size_t cap;
};

/* n bytes of a file in the loader's buffer, checked against their hash. */
static enum fusor_status read_piece(struct loader *l,
                                    const struct checkpoint_file *f,
                                    uint64_t offset, size_t n, uint64_t hash,
                                    const char *of, struct fusor_error *err)
{
    if (n > l->cap) {
        mem_free(l->buffer);
        l->cap = 0;
        l->buffer = mem_alloc_raw(n, 1);
        if (!l->buffer)
            return mem_fail(err, "checkpoint buffer", n);
        l->cap = n;
    }
    FUSOR_TRY(fs_pread(f->fd, l->buffer, n, offset, f->path, err));
    if (hash_bytes(l->buffer, n, 0) != hash)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s is damaged: the checksum of %s does not fit",
                          f->path, of);
    return FUSOR_OK;
}

/* Values of either kind into a table of either kind. */
static void put_values(const struct table *t, const struct file_table *ft,
                       const unsigned char *from, struct row *r, float *wide)
{
    size_t bytes = (size_t)file_values_bytes(ft);

    if (ft->dtype == t->spec->dtype) {
        memcpy(row_halves(t, r), from, bytes); // their place in either kind
        return;
    }
    if (ft->dtype == ROW_F32) {
        memcpy(wide, from, bytes);
        t->bf16->nearest(wide, row_halves(t, r), t->width);
        return;
    }
    for (uint32_t i = 0; i < t->width; i++) {
        uint16_t half;

        memcpy(&half, from + i * sizeof(half), sizeof(half));
        t->bf16->widen(&half, &r->values[i], 1);
    }
}

static void put_state(const struct loader *l, const struct table *t,
                      const unsigned char *from, uint32_t ref, float *wide)
{
    float *state = row_state(t, table_row(t, ref));

    if (l->use == CHECKPOINT_RESUME) {
        memcpy(state, from, t->state_width * sizeof(float));
        return;
    }
    table_read(t, ref, wide);
    optim_init_state(t->optim, wide, state, t->width);
}

/* When a row of version 1 was seen is not known: its clock stands for it. Rows
 * that start another model are of now, and may be there already. */
static enum fusor_status load_row(struct loader *l, struct table *t,
                                  const struct checkpoint_file *f,
                                  const struct file_table *ft,
                                  const unsigned char *from,
                                  struct fusor_error *err)
{
    int resume = l->use == CHECKPOINT_RESUME;
    struct file_row head;
    uint32_t ref = 0;
    struct row *r;

    memcpy(&head, from, sizeof(head));
    if (resume || table_find(t, &head.key, 1, &ref) == 0)
        FUSOR_TRY(shard_insert(l->s, t, head.key, 0, &ref, err));
    r = table_row(t, ref);
    if (t->width) {
        from += sizeof(head);
        put_values(t, ft, from, r, l->s->wide);
        put_state(l, t, from + file_values_bytes(ft), ref, l->s->wide);
    }
    if (f->head.version < 2)
        head.seen = head.last_clock;
    if (!resume)
        head.seen = head.last_clock = (uint32_t)l->s->slab.head->clock;
    r->seen = head.seen < ROW_SEEN_MAX ? head.seen : 0;
    if (t->has_clock)
        r->last_clock = head.last_clock;
    return FUSOR_OK;
}

static enum fusor_status
load_bucket(struct loader *l, const struct checkpoint_file *f, struct table *t,
            const struct file_table *ft, const struct file_bucket *b,
            uint64_t offset, struct fusor_error *err)
{
    size_t bytes = (size_t)file_row_bytes(ft);

    FUSOR_TRY(
        read_piece(l, f, offset, b->n_rows * bytes, b->hash, ft->name, err));
    for (uint32_t i = 0; i < b->n_rows; i++) {
        const unsigned char *from = l->buffer + i * bytes;
        uint64_t key;

        memcpy(&key, from, sizeof(key));
        /* The bucket depends on the table's number, which another job may
         * give to another table: keys decide, not the file's buckets. */
        if (!shard_owns_key(l->s, t->number, key))
            continue;
        if (!l->verify_only)
            FUSOR_TRY(load_row(l, t, f, ft, from, err));
    }
    return FUSOR_OK;
}

/* The number by which an entry's keys were spread over buckets: stubs follow
 * their table. */
static uint32_t number_in_file(const struct checkpoint_file *f, uint32_t entry)
{
    uint32_t number = 0;

    for (uint32_t i = 1; i <= entry; i++)
        number += f->tables[i]->kind != FILE_KIND_STUBS;
    return number;
}

static enum fusor_status load_table(struct loader *l,
                                    const struct checkpoint_file *f,
                                    struct table *t, uint32_t number,
                                    struct fusor_error *err)
{
    const struct file_table *ft = f->tables[number];
    uint64_t offset = ft->offset;
    uint64_t bytes = file_row_bytes(ft);

    for (uint32_t i = 0; i < ft->n_buckets; i++) {
        const struct file_bucket *b = &f->buckets[number][i];

        if (number_in_file(f, number) != t->number ||
            l->s->bucket_map[b->bucket] == l->s->number)
            FUSOR_TRY(load_bucket(l, f, t, ft, b, offset, err));
        offset += b->n_rows * bytes;
    }
    return FUSOR_OK;
}

static int fits(const struct loader *l, const struct table *t,
                const struct file_table *ft)
{
    return ft->width == t->width &&
           (l->use == CHECKPOINT_VALUES ||
            (ft->dtype == t->spec->dtype && ft->state_width == t->state_width &&
             ft->kind == t->optim->spec.kind));
}

static enum fusor_status load_tables(struct loader *l,
                                     const struct checkpoint_file *f,
                                     struct fusor_error *err)
{
    for (uint32_t i = 0; i < l->s->params->n_tables; i++) {
        struct table *t = &l->s->tables[i];
        int number = find_table(f, t->spec->name);

        if (l->cp->chosen_tables && !l->cp->chosen_tables[i])
            continue;
        if (number >= 0 && fits(l, t, f->tables[number]))
            FUSOR_TRY(load_table(l, f, t, (uint32_t)number, err));
        else if (l->use == CHECKPOINT_RESUME)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s has no table %s of %u floats%s with rule %s",
                              f->path, t->spec->name, t->width,
                              t->spec->dtype == ROW_BF16 ? " as bf16" : "",
                              optim_name((enum optim_kind)t->optim->spec.kind));
        number = find_entry(f, t->spec->name, 1);
        if (number >= 0 && table_has_stubs(t) && l->use == CHECKPOINT_RESUME)
            FUSOR_TRY(load_table(l, f, &l->s->stubs[i], (uint32_t)number, err));
    }
    return FUSOR_OK;
}

/* What a segment and a file's slice have in common, counted in the block. */
static uint64_t overlap(const struct block_segment *seg,
                        const struct file_block *b, uint64_t *first)
{
    uint64_t end = seg->in_block + seg->n < b->in_block + b->n
                       ? seg->in_block + seg->n
                       : b->in_block + b->n;

    *first = seg->in_block > b->in_block ? seg->in_block : b->in_block;
    return end > *first ? end - *first : 0;
}

/* State is so many floats per value, cut as the values are, or something about
 * the block as a whole, which is never cut. */
static int state_fits(const struct loader *l, size_t i,
                      const struct file_block *b)
{
    const struct block_segment *seg = &l->s->segments[i];
    size_t state_n = shard_segment_state_size(l->s, i);
    int kind = l->s->block_optim[seg->block].spec.kind;

    if (b->kind != (uint32_t)kind)
        return 0;
    if (state_n % seg->n == 0 && b->state_n % b->n == 0)
        return state_n / seg->n == b->state_n / b->n;
    return seg->n == b->n && state_n == b->state_n;
}

static void copy_state(const struct loader *l, size_t i,
                       const struct file_block *b, const float *from,
                       uint64_t first, uint64_t n)
{
    const struct block_segment *seg = &l->s->segments[i];
    size_t state_n = shard_segment_state_size(l->s, i);
    float *to = l->s->segment_state[i];

    if (l->use == CHECKPOINT_VALUES) {
        optim_init_state(&l->s->block_optim[seg->block],
                         l->s->segment_values[i], to, (size_t)seg->n);
        return;
    }
    if (state_n % seg->n)
        memcpy(to, from, state_n * sizeof(float));
    for (size_t a = 0; a < state_n / seg->n; a++)
        memcpy(to + a * seg->n + (first - seg->in_block),
               from + a * b->n + (first - b->in_block),
               (size_t)n * sizeof(float));
}

static enum fusor_status load_slice(struct loader *l,
                                    const struct checkpoint_file *f, size_t i,
                                    const struct file_block *b, uint64_t *done,
                                    struct fusor_error *err)
{
    const struct block_segment *seg = &l->s->segments[i];
    uint64_t first, n = overlap(seg, b, &first);
    const float *from;

    if (n == 0)
        return FUSOR_OK;
    *done += n;
    FUSOR_TRY(read_piece(l, f, b->offset,
                         (size_t)(b->n + b->state_n) * sizeof(float), b->hash,
                         b->name, err));
    if (l->verify_only)
        return FUSOR_OK;
    from = (const float *)(const void *)l->buffer;
    memcpy(l->s->segment_values[i] + (first - seg->in_block),
           from + (first - b->in_block), (size_t)n * sizeof(float));
    copy_state(l, i, b, from + b->n, first, n);
    return FUSOR_OK;
}

static enum fusor_status load_segment(struct loader *l, size_t i,
                                      struct fusor_error *err)
{
    const struct block_segment *seg = &l->s->segments[i];
    const struct block_spec *block = &l->s->params->blocks[seg->block];
    uint64_t done = 0;

    if (l->cp->chosen_blocks && !l->cp->chosen_blocks[seg->block])
        return FUSOR_OK;
    for (size_t k = 0; k < l->cp->n; k++) {
        const struct checkpoint_file *f = &l->cp->files[k];

        for (uint32_t j = 0; j < f->head.n_blocks; j++) {
            const struct file_block *b = &f->blocks[j];

            if (strcmp(b->name, block->name) != 0 ||
                b->block_size != block->size ||
                (l->use == CHECKPOINT_RESUME && !state_fits(l, i, b)))
                continue;
            FUSOR_TRY(load_slice(l, f, i, b, &done, err));
        }
    }
    if (done == seg->n || (done == 0 && l->use == CHECKPOINT_VALUES))
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDATA,
                      "checkpoint %s ...: %llu of %llu floats of block %s "
                      "are there with this size and rule",
                      l->cp->files[0].path, (unsigned long long)done,
                      (unsigned long long)seg->n, block->name);
}

static enum fusor_status pass(struct loader *l, int verify_only,
                              struct fusor_error *err)
{
    l->verify_only = verify_only;
    for (size_t i = 0; i < l->cp->n; i++)
        FUSOR_TRY(load_tables(l, &l->cp->files[i], err));
    for (size_t i = 0; i < l->s->n_segments; i++)
        FUSOR_TRY(load_segment(l, i, err));
    return FUSOR_OK;
}

/* Rates and position are the same in every file. */
static void go_on(struct shard *s, const struct file_head *h,
                  const struct optim_span *spans)
{
    struct slab_head *head = s->slab.head;

    memcpy(head->spans, spans, h->n_spans * sizeof(*spans));
    head->n_spans = h->n_spans;
    head->units_per_epoch = h->units_per_epoch;
    head->epoch = h->epoch;
    head->clock = h->clock;
    head->samples_done = h->samples_done;
}

enum fusor_status checkpoint_load_shard(struct checkpoint *cp, struct shard *s,
                                        enum checkpoint_use use,
                                        struct fusor_error *err)
{
    struct loader l = {.cp = cp, .s = s, .use = use};
    enum fusor_status rc = pass(&l, 1, err);

    if (use == CHECKPOINT_RESUME)
        shard_set_floor(s, cp->info.clock); // a smaller cap evicts
    if (rc == FUSOR_OK)
        rc = pass(&l, 0, err);
    if (rc == FUSOR_OK && use == CHECKPOINT_RESUME)
        go_on(s, &cp->files[0].head, cp->files[0].spans);
    mem_free(l.buffer);
    return rc;
}
