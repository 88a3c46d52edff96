/* Sorts the phases of a profile by their time. */
#include "train/phases.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/texttab.h"

struct share {
    char name[96];
    uint64_t ns;
    double part; // of all
};

struct shares {
    struct share items[PROFILE_SLOTS];
    uint32_t n;
};

static int largest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct share *)a)->ns,
             y = ((const struct share *)b)->ns;

    return (x < y) - (x > y);
}

uint32_t phases_towers(const struct workload *w,
                       const char *names[PROFILE_TOWERS])
{
    uint32_t n = w ? model_n_towers(w->model) : 0;

    for (uint32_t t = 0; t < n && t < PROFILE_TOWERS; t++)
        names[t] = model_tower_name(w->model, t);
    return n;
}

static void sort_shares(const struct workload *w, const struct profile_total *t,
                        struct shares *out)
{
    const char *towers[PROFILE_TOWERS];
    uint32_t n_towers = phases_towers(w, towers);
    double all = (double)profile_total_ns(t);

    out->n = 0;
    for (uint32_t slot = 0; slot < PROFILE_SLOTS; slot++) {
        struct share *s = &out->items[out->n];

        if (t->ns[slot] == 0)
            continue;
        profile_slot_name(slot, towers, n_towers, s->name);
        s->ns = t->ns[slot];
        s->part = (double)s->ns / all;
        out->n++;
    }
    qsort(out->items, out->n, sizeof(*out->items), largest_first);
}

void phases_json(struct json *j, const char *key, const struct workload *w,
                 const struct profile_total *t)
{
    struct shares s;

    sort_shares(w, t, &s);
    if (s.n == 0)
        return;
    json_begin_object(j, key);
    for (uint32_t i = 0; i < s.n; i++)
        json_number(j, s.items[i].name,
                    (double)(uint64_t)(s.items[i].part * 1e5 + 0.5) / 1e5);
    json_end_object(j);
}

uint64_t phases_waited_ns(const struct profile_total *t)
{
    return t->ns[PROFILE_WAIT_RULE] + t->ns[PROFILE_WAIT_SHARDS] +
           t->ns[PROFILE_WAIT_THREADS] + t->ns[PROFILE_WAIT_ACKS] +
           t->ns[PROFILE_WAIT_CREDIT] + t->ns[PROFILE_STALL];
}

void phases_counts_json(struct json *j, const struct workload *w,
                        const struct profile_total *t)
{
    phases_json(j, "profile", w, t);
    json_uint(j, "steps", t->steps);
    json_uint(j, "sent_bytes", t->sent);
    json_uint(j, "received_bytes", t->received);
    json_number(j, "waited_s", (double)phases_waited_ns(t) * 1e-9);
}

void phases_top(const struct workload *w, const struct profile_total *t,
                uint32_t n, struct strbuf *out)
{
    struct shares s;

    sort_shares(w, t, &s);
    for (uint32_t i = 0; i < s.n && i < n; i++)
        strbuf_addf(out, "%s%s %.0f %%", i ? ", " : "", s.items[i].name,
                    100 * s.items[i].part);
}

void phases_table(const struct workload *w, const struct profile_total *t,
                  struct strbuf *out)
{
    static const char *const columns[] = {"phase", ">per cent", ">us a step",
                                          NULL};
    struct texttab *tab = texttab_create(columns);
    struct shares s;

    sort_shares(w, t, &s);
    for (uint32_t i = 0; i < s.n; i++) {
        char part[24], us[32];
        const char *cells[] = {s.items[i].name, part, us};

        snprintf(part, sizeof(part), "%.1f", 100 * s.items[i].part);
        snprintf(us, sizeof(us), "%.1f",
                 t->steps ? (double)s.items[i].ns * 1e-3 / (double)t->steps
                          : 0.0);
        texttab_row(tab, cells);
    }
    texttab_print(tab, out);
    texttab_destroy(tab);
}
