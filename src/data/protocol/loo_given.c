/* Leave one out with a fixed list of candidates for each test row (He et al.
 * 2017, "Neural Collaborative Filtering", section 4.1). The test rows and
 * their candidates come from a file of lines "user item n1 n2 ..." (NCF's
 * "(user,item)" is read too); a pair that is no row of the data becomes a
 * test row of its own. Without a file the last row of each user is the test
 * row, and its candidates are drawn with the seed from the items that the
 * user has in no row. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "data/input.h"
#include "data/protocol/all.h"

/* Blanks, commas and brackets separate. @return 0 at the end of the line */
static int next_word(const struct input_line *line, size_t *at,
                     const char **word, size_t *n)
{
    static const char between[] = " \t,()";
    size_t i = *at;

    while (i < line->n && strchr(between, line->text[i]))
        i++;
    *word = line->text + i;
    while (i < line->n && !strchr(between, line->text[i]))
        i++;
    *n = (size_t)(line->text + i - *word);
    *at = i;
    return *n > 0;
}

/* Mark the pair's row, the last one when there are several. */
static enum fusor_status mark_target(const struct split_facts *f,
                                     const struct by_query *g, uint32_t query,
                                     uint32_t item, struct split_result *out,
                                     struct fusor_error *err)
{
    void *added = out->added;

    for (uint64_t i = g->start[query + 1]; i > g->start[query]; i--) {
        if (f->item[g->rows[i - 1]] == item) {
            out->part[g->rows[i - 1]] = ROW_TEST;
            return FUSOR_OK;
        }
    }
    if (mem_reserve(&added, out->n_added, &out->added_cap, sizeof(*out->added)))
        return mem_fail(err, "test rows", 2 * out->added_cap * 8);
    out->added = added;
    out->added[out->n_added++] = (struct split_pair){query, item};
    return FUSOR_OK;
}

static enum fusor_status take_line(const struct split_facts *f,
                                   const struct by_query *g,
                                   const struct input_line *line,
                                   struct split_result *out,
                                   struct fusor_error *err)
{
    uint32_t query, target, item;
    const char *word;
    size_t at = 0, n;

    if (!next_word(line, &at, &word, &n))
        return FUSOR_OK; // an empty line
    query = vocab_find(f->queries, word, n);
    if (query == VOCAB_UNKNOWN)
        return fusor_fail(err, FUSOR_EDATA, "no row has the user \"%.*s\"",
                          (int)n, word);
    if (!next_word(line, &at, &word, &n))
        return fusor_fail(err, FUSOR_EDATA, "expected user item n1 n2 ...");
    target = vocab_add(f->items, word, n);
    if (target == UINT32_MAX)
        return mem_fail(err, "items", n);
    FUSOR_TRY(mark_target(f, g, query, target, out, err));
    FUSOR_TRY(split_add_list(f, out, query, err));
    while (next_word(line, &at, &word, &n)) {
        item = vocab_add(f->items, word, n);
        if (item == UINT32_MAX)
            return mem_fail(err, "items", n);
        if (item == target)
            return fusor_fail(err, FUSOR_EDATA,
                              "item \"%.*s\" is both the target and a "
                              "candidate to be ranked below it",
                              (int)n, word);
        FUSOR_TRY(split_add_candidate(out, item, err));
    }
    return FUSOR_OK;
}

static enum fusor_status read_file(const struct split_facts *f,
                                   const struct by_query *g,
                                   struct split_result *out,
                                   struct fusor_error *err)
{
    struct input_line line;
    struct input *in = NULL;
    enum fusor_status rc;
    int end = 0;

    FUSOR_TRY(input_open(f->candidates, &in, err));
    do {
        rc = input_next_line(in, &line, &end, err);
        if (rc != FUSOR_OK || end)
            break;
        rc = take_line(f, g, &line, out, err);
        if (rc != FUSOR_OK)
            fusor_wrap(err, rc, "%s:%llu", f->candidates,
                       (unsigned long long)line.number);
    } while (rc == FUSOR_OK);
    input_close(in);
    return rc;
}

static int has_seen(const struct split_facts *f, const struct by_query *g,
                    uint32_t query, uint32_t item)
{
    for (uint64_t i = g->start[query]; i < g->start[query + 1]; i++)
        if (f->item[g->rows[i]] == item)
            return 1;
    return 0;
}

/* Walk the items in a random order and take the first that fit: distinct by
 * construction, and an end is certain. Items whose rows were all left out are
 * none. */
static enum fusor_status draw(const struct split_facts *f,
                              const struct by_query *g, const uint8_t *has_row,
                              uint32_t query, struct split_result *out,
                              struct fusor_error *err)
{
    uint64_t n_items = vocab_size(f->items) - 1, taken = 0;
    struct rng_permutation p =
        rng_permutation_make(n_items, rng_stream(f->seed, RNG_SPLIT, 1, query));

    FUSOR_TRY(split_add_list(f, out, query, err));
    for (uint64_t i = 0; i < n_items && taken < f->negatives; i++) {
        uint32_t item = (uint32_t)rng_permute(&p, i) + 1;

        if (!has_row[item] || has_seen(f, g, query, item))
            continue;
        FUSOR_TRY(split_add_candidate(out, item, err));
        taken++;
    }
    return FUSOR_OK;
}

static enum fusor_status draw_all(const struct split_facts *f,
                                  const struct by_query *g,
                                  struct split_result *out,
                                  struct fusor_error *err)
{
    uint8_t *has_row = mem_alloc(vocab_size(f->items), 1);
    enum fusor_status rc;

    if (!has_row)
        return mem_fail(err, "candidates", vocab_size(f->items));
    for (uint64_t row = 0; row < f->n; row++)
        has_row[f->item[row]] = 1;
    rc = split_leave_last(f, out->part, 1, f->validation, err);
    for (uint64_t row = 0; row < f->n && rc == FUSOR_OK; row++)
        if (out->part[row] == ROW_TEST)
            rc = draw(f, g, has_row, f->query[row], out, err);
    mem_free(has_row);
    return rc;
}

static enum fusor_status assign(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err)
{
    struct by_query g = {0};
    enum fusor_status rc = by_query_make(facts, &g, err);

    if (rc == FUSOR_OK && facts->candidates[0])
        rc = read_file(facts, &g, out, err);
    else if (rc == FUSOR_OK)
        rc = draw_all(facts, &g, out, err);
    if (rc == FUSOR_OK && facts->candidates[0] && facts->validation)
        rc = split_leave_last(facts, out->part, 0, 1, err);
    by_query_clear(&g);
    return rc;
}

const struct protocol_ops protocol_loo_given = {
    .name = "loo-given",
    .version = 1,
    .flags = PROTOCOL_QUERY | PROTOCOL_ITEM | PROTOCOL_RANKS_ROWS,
    .help = "leave one out against --candidates, or --negatives drawn items",
    .assign = assign};
