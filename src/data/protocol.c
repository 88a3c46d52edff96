/* The registry of protocols, and what several of them need. */
#include "data/protocol.h"

#include <string.h>

#include "base/mem.h"
#include "data/protocol/all.h"

static const struct protocol_ops *const protocols[] = {
    &protocol_none,         &protocol_given,       &protocol_kfold_official,
    &protocol_kfold_random, &protocol_loo_full,    &protocol_loo_given,
    &protocol_loo_popular,  &protocol_loo_sampled, &protocol_qrels,
    &protocol_time_split,   &protocol_user_split,  NULL};

void protocol_list(struct strbuf *out)
{
    for (size_t i = 0; protocols[i]; i++)
        strbuf_addf(out, "  %-16s%s\n", protocols[i]->name, protocols[i]->help);
}

const struct protocol_ops *protocol_find(const char *name,
                                         struct fusor_error *err)
{
    const char *names[sizeof(protocols) / sizeof(protocols[0])] = {NULL};
    struct strbuf all = {0};
    const char *near;

    for (size_t i = 0; protocols[i]; i++) {
        names[i] = protocols[i]->name;
        if (!strcmp(name, names[i]))
            return protocols[i];
    }
    for (size_t i = 0; protocols[i]; i++)
        strbuf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    near = str_nearest(name, names);
    fusor_fail(err, FUSOR_EUSAGE, "no protocol \"%s\"; %s%s", name,
               near ? "did you mean " : "there is: ",
               near ? near : (all.s ? all.s : ""));
    strbuf_clear(&all);
    return NULL;
}

void split_result_clear(struct split_result *r)
{
    mem_free(r->part);
    mem_free(r->added);
    mem_free(r->list_of);
    mem_free(r->lists);
    mem_free(r->candidates);
    memset(r, 0, sizeof(*r));
}

static enum fusor_status lists_start(const struct split_facts *facts,
                                     struct split_result *r,
                                     struct fusor_error *err)
{
    r->list_of = mem_alloc(vocab_size(facts->queries), sizeof(*r->list_of));
    r->lists = mem_alloc(16, sizeof(*r->lists));
    r->lists_cap = 16;
    if (!r->list_of || !r->lists)
        return mem_fail(err, "candidates", vocab_size(facts->queries) * 8);
    return FUSOR_OK;
}

enum fusor_status split_add_list(const struct split_facts *facts,
                                 struct split_result *r, uint32_t query,
                                 struct fusor_error *err)
{
    void *lists;

    if (!r->list_of)
        FUSOR_TRY(lists_start(facts, r, err));
    if (r->list_of[query])
        return fusor_fail(err, FUSOR_EDATA,
                          "candidates of \"%s\" are given twice",
                          vocab_text(facts->queries, query, NULL));
    lists = r->lists;
    if (mem_reserve(&lists, r->n_lists + 1, &r->lists_cap, sizeof(*r->lists)))
        return mem_fail(err, "candidates", 2 * r->lists_cap * 8);
    r->lists = lists;
    r->list_of[query] = ++r->n_lists;
    r->lists[r->n_lists] = r->n_candidates;
    return FUSOR_OK;
}

enum fusor_status split_add_candidate(struct split_result *r, uint32_t item,
                                      struct fusor_error *err)
{
    void *candidates = r->candidates;

    if (mem_reserve(&candidates, r->n_candidates, &r->candidates_cap,
                    sizeof(*r->candidates)))
        return mem_fail(err, "candidates", 2 * r->candidates_cap * 4);
    r->candidates = candidates;
    r->candidates[r->n_candidates++] = item;
    r->lists[r->n_lists] = r->n_candidates;
    return FUSOR_OK;
}

/* What is known of a query's rows; row numbers plus one, 0: none. */
struct last_rows {
    uint64_t last, before, n;
};

static int is_later(const struct split_facts *f, uint64_t row, uint64_t than)
{
    return !than || !f->time || f->time[row] >= f->time[than - 1];
}

static void see_row(const struct split_facts *f, uint64_t row,
                    struct last_rows *l)
{
    l->n++;
    if (is_later(f, row, l->last)) {
        l->before = l->last;
        l->last = row + 1;
    } else if (is_later(f, row, l->before)) {
        l->before = row + 1;
    }
}

enum fusor_status split_leave_last(const struct split_facts *facts,
                                   uint8_t *part, int test, int valid,
                                   struct fusor_error *err)
{
    size_t n_queries = vocab_size(facts->queries);
    struct last_rows *of = mem_alloc(n_queries, sizeof(*of));

    if (!of)
        return mem_fail(err, "leave one out", n_queries * sizeof(*of));
    for (uint64_t row = 0; row < facts->n; row++)
        if (part[row] == ROW_TRAIN)
            see_row(facts, row, &of[facts->query[row]]);
    for (size_t q = 1; q < n_queries; q++) {
        uint64_t next = of[q].last;

        if (test && of[q].n >= 2) {
            part[next - 1] = ROW_TEST;
            next = of[q].before;
        }
        if (valid && of[q].n >= (test ? 3u : 2u))
            part[next - 1] = ROW_VALID;
    }
    mem_free(of);
    return FUSOR_OK;
}
