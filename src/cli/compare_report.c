/* Tables and JSON of fusor compare. */
#include "cli/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"

/* Metrics that are no mean over units: said in one line. */
static void say_untested(const struct compare *c)
{
    const struct units *u = &c->sides[0].units;
    struct strbuf names = {0};

    for (size_t m = 0; m < u->n_metrics; m++) {
        struct metric_spec spec;

        if (!c->skip[m] &&
            metric_parse(u->metrics[m], &spec, NULL) == FUSOR_OK &&
            !metric_has_units(&spec))
            strbuf_addf(&names, "%s%s", names.len ? ", " : "", spec.name);
    }
    if (names.len)
        output_say("not tested, for they are no mean over rows or queries: %s",
                   names.s);
    strbuf_clear(&names);
}

/* Who ranks fewer items misses some, however good its scores are. @return do
 * all sides rank the same? */
static int say_ranked(const struct compare *c)
{
    const char *first = c->sides[0].units.ranked;
    struct strbuf text = {0};
    int same = 1;

    for (size_t i = 0; i < c->n_sides; i++) {
        const char *own = c->sides[i].units.ranked;

        same &= strcmp(own, first) == 0;
        strbuf_addf(&text, "%s%s ranks %s", i ? "; " : "", c->sides[i].name,
                    *own ? own : "all items");
    }
    if (!same)
        output_say("warning: candidates differ: %s. What a run does not rank "
                   "counts as missed, so a difference may be of the "
                   "candidates alone: give --candidates, such as all, to judge "
                   "the runs among the same",
                   text.s ? text.s : "");
    strbuf_clear(&text);
    return same;
}

static void json_ranked(const struct compare *c, struct json *j)
{
    json_begin_array(j, "ranked");
    for (size_t i = 0; i < c->n_sides; i++)
        json_string(j, NULL, c->sides[i].units.ranked);
    json_end_array(j);
}

/* What a row is of, for the column under the field's name. */
static const char *group_text(const struct row *r)
{
    if (r->kind == ROW_GAP)
        return "gap (max - min)";
    return r->kind == ROW_ALL ? "all" : r->group;
}

static void add_row(const struct compare *c, const struct row *r,
                    struct texttab *tab)
{
    const struct stats_comparison *t = &r->test;
    char runs[24], n[24], mean[32] = "no values", diff[32] = "";
    char low[32] = "", high[32] = "", p[32] = "", holm[32] = "";
    const char *cells[11] = {c->sides[0].units.metrics[r->metric],
                             group_text(r),
                             r->side->name,
                             runs,
                             n,
                             mean,
                             diff,
                             low,
                             high,
                             p,
                             holm};

    snprintf(runs, sizeof(runs), "%zu", r->side->n_runs);
    snprintf(n, sizeof(n), "%llu", (unsigned long long)r->n);
    if (r->kind == ROW_GAP)
        n[0] = '\0';
    if (!isnan(compare_mean(r)))
        snprintf(mean, sizeof(mean), "%.6f", compare_mean(r));
    else if (r->small || r->kind == ROW_GAP)
        snprintf(mean, sizeof(mean), "too few");
    if (compare_is_test(c, r)) {
        snprintf(diff, sizeof(diff), "%+.6f", t->difference);
        snprintf(low, sizeof(low), "%+.6f", t->low);
        snprintf(high, sizeof(high), "%+.6f", t->high);
        snprintf(p, sizeof(p), "%.4f", t->p);
        snprintf(holm, sizeof(holm), "%.4f", t->p_holm);
    }
    if (!c->by)
        memmove(cells + 1, cells + 2, 9 * sizeof(*cells));
    texttab_row(tab, cells);
}

enum fusor_status compare_print(const struct compare *c,
                                struct fusor_error *err)
{
    const char *columns[] = {"metric", c->by,   "run",         ">runs",
                             ">units", ">mean", ">difference", ">95% from",
                             ">to",    ">p",    ">p Holm",     NULL};
    const struct units *u = &c->sides[0].units;
    char title[UNITS_TITLE_MAX];
    struct texttab *tab;
    int same;

    if (!c->by)
        memmove(columns + 1, columns + 2, 10 * sizeof(*columns));
    tab = texttab_create(columns);
    for (size_t i = 0; i < c->n_rows; i++)
        add_row(c, &c->rows[i], tab);
    same = say_ranked(c);
    say_untested(c);
    output_say("%s; paired bootstrap against %s",
               units_title(u->split, u->protocol, u->protocol_version,
                           u->candidates, same ? u->ranked : "", title),
               c->sides[0].name);
    return output_table(tab, err);
}

static void json_row(const struct compare *c, const struct row *r,
                     struct json *j)
{
    static const char *const kinds[] = {"all", "group", "gap"};

    json_begin_object(j, NULL);
    json_string(j, "metric", c->sides[0].units.metrics[r->metric]);
    json_string(j, "run", r->side->name);
    json_uint(j, "runs", r->side->n_runs);
    if (c->by) {
        json_string(j, "kind", kinds[r->kind]);
        if (r->group)
            json_string(j, "group", r->group);
    }
    json_uint(j, "units", r->n);
    json_number(j, "mean", compare_mean(r));
    if (compare_is_test(c, r)) {
        json_number(j, "difference", r->test.difference);
        json_number(j, "se", r->test.se);
        json_number(j, "low", r->test.low);
        json_number(j, "high", r->test.high);
        json_number(j, "p", r->test.p);
        if (r->kind != ROW_GAP)
            json_number(j, "p_t", r->test.p_t);
        json_number(j, "p_holm", r->test.p_holm);
    }
    json_end_object(j);
}

enum fusor_status compare_print_json(const struct compare *c,
                                     struct fusor_error *err)
{
    const struct units *u = &c->sides[0].units;
    struct json j = {.pretty = 1};
    char hash[24];
    int same;

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)u->candidates);
    same = say_ranked(c);
    say_untested(c);
    json_begin_object(&j, NULL);
    json_string(&j, "against", c->sides[0].name);
    json_string(&j, "split", u->split);
    json_string(&j, "protocol", u->protocol);
    json_uint(&j, "protocol_version", u->protocol_version);
    json_string(&j, "candidates", hash);
    if (!same || u->ranked[0])
        json_ranked(c, &j);
    json_bool(&j, "same_candidates", same);
    if (c->by)
        json_string(&j, "by", c->by);
    json_begin_array(&j, "results");
    for (size_t i = 0; i < c->n_rows; i++)
        json_row(c, &c->rows[i], &j);
    json_end_array(&j);
    json_end_object(&j);
    return output_json(&j, err);
}
