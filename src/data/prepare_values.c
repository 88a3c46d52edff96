/* From the text of a cell to the value of a field. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "data/encode.h"
#include "data/prepare_private.h"

struct cell prep_trimmed(struct cell c)
{
    while (c.n && (c.text[0] == ' ' || c.text[0] == '\t')) {
        c.text++;
        c.n--;
    }
    while (c.n && (c.text[c.n - 1] == ' ' || c.text[c.n - 1] == '\t'))
        c.n--;
    return c;
}

static int is_missing(const struct cell *c)
{
    static const char *const words[] = {"NA",   "NaN", "nan", "null",
                                        "NULL", "\\N", "?"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (c->n == strlen(words[i]) && !memcmp(c->text, words[i], c->n))
            return 1;
    return c->n == 0;
}

int prep_number(const struct cell *cell, double *out)
{
    struct cell c = prep_trimmed(*cell);

    if (!str_parse_float(c.text, c.n, out))
        return fabs(*out) <= 3.4028234e38 ? 0 : -1; // it becomes a float
    return is_missing(&c) ? 1 : -1;
}

/* The next piece of a cell between separators; blanks in a row are one.
 * @return 0 when there is none left */
static int next_piece(const struct source_field *f, const struct cell *cell,
                      size_t *at, struct cell *piece)
{
    const char *end = cell->text + cell->n, *s = cell->text + *at, *stop;
    int blank = !f->separator[0] || !strcmp(f->separator, " ");
    size_t n = blank ? 1 : strlen(f->separator);

    while (blank && s < end && *s == ' ')
        s++;
    if (s >= end)
        return 0;
    for (stop = s; stop < end; stop++)
        if (blank ? *stop == ' '
                  : (size_t)(end - stop) >= n && !memcmp(stop, f->separator, n))
            break;
    *piece = (struct cell){s, (size_t)(stop - s), cell->column};
    *at = (size_t)(stop - cell->text) + n;
    return 1;
}

static int check_numbers(struct prep_field *f, const struct cell *cell)
{
    const struct source_field *s = f->source;
    struct cell piece = *cell;
    size_t at = 0;
    double x = 0;

    for (uint32_t d = 0; d < s->width; d++) {
        int rc = 1;

        if (s->width == 1 || next_piece(s, cell, &at, &piece))
            rc = prep_number(&piece, &x);
        if (rc < 0)
            return BAD_NUMBER;
        if (rc == 1 && (s->required || (s->width > 1 && cell->n)))
            return BAD_MISSING;
        if (rc == 0 && s->has_range && (x < s->low || x > s->high))
            return BAD_RANGE;
        f->value.numbers[d] = rc == 1 ? NAN : (float)x;
    }
    if (s->width > 1 && next_piece(s, cell, &at, &piece))
        return BAD_NUMBER;
    return -1;
}

/* The weight behind the last colon of a piece; the piece is cut there. */
static int piece_weight(struct cell *piece, float *weight)
{
    double x = 1;

    for (size_t i = piece->n; i > 0; i--) {
        if (piece->text[i - 1] != ':')
            continue;
        if (str_parse_float(piece->text + i, piece->n - i, &x))
            return -1;
        piece->n = i - 1;
        break;
    }
    *weight = (float)x;
    return 0;
}

static int check_weights(const struct prep_field *f, const struct cell *cell)
{
    struct cell piece;
    float weight;
    size_t at = 0;

    while (next_piece(f->source, cell, &at, &piece))
        if (piece_weight(&piece, &weight))
            return BAD_NUMBER;
    return -1;
}

/* Ids that are numbers. */
static int check_id(const struct source_field *s, const struct cell *cell)
{
    struct cell c = prep_trimmed(*cell);
    uint64_t id;
    double x;
    int rc;

    if (s->ids == IDS_MODULO)
        return c.n && encode_hex(c.text, c.n, &id) ? BAD_NUMBER : -1;
    rc = prep_number(&c, &x);
    if (rc == 1 && s->required)
        return BAD_MISSING;
    return rc < 0 ? BAD_NUMBER : -1;
}

int prep_value_check(struct prep_field *f, const struct cell *cell)
{
    const struct source_field *s = f->source;

    if (f->spec.type == COLUMN_F32)
        return check_numbers(f, cell);
    if ((s->required || s->is_key) && prep_trimmed(*cell).n == 0)
        return BAD_MISSING;
    if (s->ids != IDS_TEXT)
        return check_id(s, cell);
    return s->weighted ? check_weights(f, cell) : -1;
}

/* The id of a number that check_id() let pass. */
static uint32_t number_id(const struct source_field *s, const struct cell *c)
{
    uint64_t id = 0;
    double x = 0;

    if (s->ids == IDS_BUCKETS)
        return prep_number(c, &x) ? MISSING_U32 : encode_bucket(x);
    encode_hex(c->text, c->n, &id);
    return 1 + (uint32_t)(id % s->hash_size);
}

uint32_t prep_hash_id(uint64_t size, const char *text, size_t n)
{
    return 1 + (uint32_t)(hash_bytes(text, n, 0) % size);
}

uint64_t prep_hash_wide(const char *text, size_t n)
{
    uint64_t id = hash_bytes(text, n, 0);

    return id == BATCH_NO_ID ? id - 1 : id;
}

static enum fusor_status encode_id(struct prep *p, const struct prep_field *f,
                                   const char *text, size_t n, uint32_t *id,
                                   struct fusor_error *err)
{
    const struct source_field *s = f->source;

    if (s->hashed) {
        *id = prep_hash_id(s->hash_size, text, n);
        return FUSOR_OK;
    }
    *id = vocab_add(p->vocabs[f->vocab].vocab, text, n);
    return *id == UINT32_MAX ? mem_fail(err, s->name, n) : FUSOR_OK;
}

static enum fusor_status add_to_list(struct prep *p, struct prep_field *f,
                                     const char *text, size_t n, float weight,
                                     struct fusor_error *err)
{
    struct prep_value *v = &f->value;
    void *list = v->list, *weights = v->weights;
    uint32_t id;

    FUSOR_TRY(encode_id(p, f, text, n, &id, err));
    if (f->source->type == FIELD_MULTI) // a set
        for (size_t i = 0; i < v->n; i++)
            if (v->list[i] == id)
                return FUSOR_OK;
    if (v->n >= f->max_values) {
        p->report->cut++;
        return FUSOR_OK;
    }
    if (mem_reserve(&list, v->n, &v->list_cap, sizeof(*v->list)))
        return mem_fail(err, f->spec.name, 2 * v->list_cap * 4);
    v->list = list;
    if (mem_reserve(&weights, v->n, &v->weights_cap, sizeof(*v->weights)))
        return mem_fail(err, f->spec.name, 2 * v->weights_cap * 4);
    v->weights = weights;
    v->list[v->n] = id;
    v->weights[v->n++] = weight;
    return FUSOR_OK;
}

/* What a text is being turned into. */
struct term_list {
    struct prep *p;
    struct prep_field *f;
};

static enum fusor_status add_term(void *context, const char *term, size_t n,
                                  struct fusor_error *err)
{
    const struct term_list *l = context;

    return add_to_list(l->p, l->f, term, n, 1, err);
}

static enum fusor_status encode_list(struct prep *p, struct prep_field *f,
                                     const struct cell *cell,
                                     struct fusor_error *err)
{
    struct term_list terms = {p, f};
    struct cell piece;
    size_t at = 0;

    f->value.n = 0;
    if (f->source->type == FIELD_TEXT)
        return analysis_run(&f->source->analysis, cell->text, cell->n, add_term,
                            &terms, err);
    while (next_piece(f->source, cell, &at, &piece)) {
        float weight = 1;

        if (f->source->weighted)
            piece_weight(&piece, &weight);
        piece = prep_trimmed(piece);
        if (piece.n)
            FUSOR_TRY(add_to_list(p, f, piece.text, piece.n, weight, err));
    }
    return FUSOR_OK;
}

enum fusor_status prep_value_encode(struct prep *p, struct prep_field *f,
                                    const struct cell *cell,
                                    struct fusor_error *err)
{
    struct cell c;

    switch (f->spec.type) {
    case COLUMN_F32:
        return FUSOR_OK; // prep_value_check() has parsed it
    case COLUMN_U64:
        c = prep_trimmed(*cell);
        f->value.id64 = c.n ? prep_hash_wide(c.text, c.n) : BATCH_NO_ID;
        return FUSOR_OK;
    case COLUMN_U32:
        c = prep_trimmed(*cell);
        f->value.id = MISSING_U32;
        if (c.n && f->source->ids != IDS_TEXT) {
            f->value.id = number_id(f->source, &c);
            return FUSOR_OK;
        }
        return c.n ? encode_id(p, f, c.text, c.n, &f->value.id, err) : FUSOR_OK;
    default:
        FUSOR_TRY(encode_list(p, f, cell, err));
        if (f->value.n > f->longest)
            f->longest = (uint32_t)f->value.n;
        return FUSOR_OK;
    }
}
