/* Reads what `negatives` says, of the job's train section or of a stage. */
#include <stdio.h>
#include <string.h>

#include "train/found.h"
#include "train/options.h"

struct negatives_section {
    int64_t n;
    const char *from;
    struct yaml_node *rank;
};

static const struct option_spec specs[] = {
    OPTION_INT(struct negatives_section, n, "-1", -1, NEGATIVES_MAX,
               "samples of label 0 that each positive row brings along"),
    OPTION_TEXT(struct negatives_section, from, "",
                "uniform, popularity, search (what the words of the query find "
                "by the bm25 towers), or the tower that ranks them"),
    OPTION_NODE(struct negatives_section, rank,
                "which of those found: 200, or 10..200 without the first nine"),
    OPTION_END,
};

/* "10..200", or "200" for 1..200. */
static enum fusor_status read_rank(struct yaml_node *at, const char *text,
                                   struct negatives_rule *out,
                                   struct fusor_error *err)
{
    unsigned long first = 1, last = 0;
    int end = 0;

    if (strstr(text, ".."))
        (void)!sscanf(text, "%9lu..%9lu%n", &first, &last, &end);
    else
        (void)!sscanf(text, "%9lu%n", &last, &end);
    if (!end || text[end] || first < 1 || last < first || last > FOUND_MAX)
        return yaml_fail(at, err,
                         "negatives: rank is \"%.40s\", but must be a number, "
                         "or two with .. between, from 1 to %d, such as "
                         "10..200",
                         text, FOUND_MAX);
    out->first = (uint32_t)first;
    out->last = (uint32_t)last;
    return FUSOR_OK;
}

int negatives_rule_searches(const struct negatives_rule *r)
{
    return strcmp(r->from, "uniform") != 0 &&
           strcmp(r->from, "popularity") != 0;
}

/* @param at where the rank is said, or NULL */
static enum fusor_status check_rank(struct yaml_node *at,
                                    const struct negatives_rule *r,
                                    struct fusor_error *err)
{
    if (!at || negatives_rule_searches(r))
        return FUSOR_OK;
    return yaml_fail(at, err,
                     "negatives: a rank is of what is found, but they are "
                     "drawn from %s: take from: search, or a tower",
                     r->from);
}

enum fusor_status negatives_rule_of_job(const struct train_section *s,
                                        struct yaml_node *train,
                                        struct negatives_rule *out,
                                        struct fusor_error *err)
{
    struct yaml_node *rank = yaml_get(train, "negatives_rank");
    struct yaml_node *from = yaml_get(train, "negatives_from");

    *out = (struct negatives_rule){
        .node = from ? from : yaml_get(train, "negatives"),
        .n = (uint32_t)s->negatives,
        .from = s->negatives_from,
    };
    return read_rank(rank, s->negatives_rank, out, err);
}

enum fusor_status negatives_rule_read(struct yaml_node *node,
                                      struct negatives_rule *rule,
                                      struct fusor_error *err)
{
    struct negatives_section s = {.n = -1};
    const char *text;

    if (!node)
        return FUSOR_OK;
    rule->node = node;
    rule->own = 1;
    if (node->kind == YAML_SCALAR)
        FUSOR_TRY(yaml_to_i64(node, &s.n, err));
    else
        FUSOR_TRY(option_read(specs, node, "negatives", &s, err));
    if (s.n < (node->kind == YAML_SCALAR ? 0 : -1) || s.n > NEGATIVES_MAX)
        return yaml_fail(node, err,
                         "negatives is %lld, but must be within 0..%d",
                         (long long)s.n, NEGATIVES_MAX);
    if (s.n >= 0)
        rule->n = (uint32_t)s.n;
    if (s.from && s.from[0])
        rule->from = s.from;
    if (s.rank) {
        FUSOR_TRY(yaml_to_text(s.rank, &text, err));
        FUSOR_TRY(read_rank(s.rank, text, rule, err));
    }
    return check_rank(s.rank, rule, err);
}
