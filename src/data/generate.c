/* The files of made data, written as they are made. */
#include "data/generate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/generate_private.h"

#define T struct generate_options

const struct option_spec generate_option_specs[] = {
    OPTION_TEXT(T, out, NULL, "folder to write"),
    OPTION_SIZE(T, users, "2000", 1, 1e9, "how many users"),
    OPTION_SIZE(T, items, "1000", 20, 1e8, "how many items"),
    OPTION_SIZE(T, events, "200000", 2, 1e12, "how many ratings"),
    OPTION_SIZE(T, seed, "1", 0, 9e15, "same seed, same data"),
    OPTION_BOOL(T, finished, "false",
                "a second label: seen to the end, 1, 0 or not known"),
    OPTION_END};

#undef T

/* A file that grows beside its place and is renamed when it is whole. */
struct out_file {
    char path[FS_PATH_MAX], beside[FS_PATH_MAX];
    int fd;
    uint64_t at;
    struct strbuf text;
};

static enum fusor_status out_open(struct out_file *f, const char *dir,
                                  const char *name, const char *header,
                                  struct fusor_error *err)
{
    char tmp[64];

    memset(f, 0, sizeof(*f));
    snprintf(tmp, sizeof(tmp), "%s.tmp", name);
    fs_join(f->path, dir, name);
    fs_join(f->beside, dir, tmp);
    f->fd = open(f->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot write %s: %s", f->beside,
                          strerror(errno));
    strbuf_add(&f->text, header);
    return FUSOR_OK;
}

static enum fusor_status out_flush(struct out_file *f, size_t keep,
                                   struct fusor_error *err)
{
    if (f->text.failed)
        return mem_fail(err, f->path, 0);
    if (f->text.len < keep)
        return FUSOR_OK;
    FUSOR_TRY(fs_pwrite(f->fd, f->text.s, f->text.len, f->at, f->beside, err));
    f->at += f->text.len;
    f->text.len = 0;
    return FUSOR_OK;
}

/* @param rc of the writing: a failed file is removed */
static enum fusor_status out_close(struct out_file *f, enum fusor_status rc,
                                   struct fusor_error *err)
{
    if (f->fd < 0)
        return rc;
    if (rc == FUSOR_OK)
        rc = out_flush(f, 0, err);
    if (close(f->fd) && rc == FUSOR_OK)
        rc = fusor_fail(err, FUSOR_EIO, "cannot close %s: %s", f->beside,
                        strerror(errno));
    if (rc == FUSOR_OK)
        rc = fs_rename(f->beside, f->path, err);
    if (rc != FUSOR_OK)
        unlink(f->beside);
    strbuf_clear(&f->text);
    return rc;
}

static enum fusor_status write_items(const struct world *w,
                                     struct fusor_error *err)
{
    struct out_file f;
    enum fusor_status rc =
        out_open(&f, w->options->out, "movies.csv", "item,title,genres\n", err);

    for (uint64_t k = 0; k < w->options->items && rc == FUSOR_OK; k++) {
        const struct made_item *i = &w->items[k];

        strbuf_addf(&f.text, "%llu,", (unsigned long long)k + 1);
        made_title(i, &f.text);
        strbuf_addf(&f.text, ",%s", made_genre(i->genre[0]));
        if (i->genre[1] != i->genre[0])
            strbuf_addf(&f.text, "|%s", made_genre(i->genre[1]));
        strbuf_add(&f.text, "\n");
        rc = out_flush(&f, 1 << 20, err);
    }
    return out_close(&f, rc, err);
}

static enum fusor_status write_users(const struct world *w,
                                     struct fusor_error *err)
{
    struct out_file f;
    enum fusor_status rc = out_open(&f, w->options->out, "users.csv",
                                    "user,age,gender,occupation\n", err);

    for (uint64_t u = 0; u < w->options->users && rc == FUSOR_OK; u++) {
        struct made_user user;

        make_user(w, u, &user);
        strbuf_addf(&f.text, "%llu,%u,%s,%u\n", (unsigned long long)u + 1,
                    user.age, user.is_male ? "M" : "F", user.occupation);
        rc = out_flush(&f, 1 << 20, err);
    }
    return out_close(&f, rc, err);
}

/* The first item whose running sum is above a random point. */
static uint64_t draw_popular(const struct world *w, struct rng *r)
{
    uint64_t low = 0, high = w->options->items - 1;
    double at = rng_double(r) * w->popular[high];

    while (low < high) {
        uint64_t middle = (low + high) / 2;

        if (w->popular[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Of some popular items that the user has not had, the one liked most, with
 * noise: a sampled softmax (Gumbel 1954). */
static uint64_t choose(const struct world *w, const struct made_user *u,
                       const uint64_t *seen_by, uint64_t self, struct rng *r)
{
    uint64_t best = UINT64_MAX, n = w->options->items;
    double best_score = -INFINITY;

    for (int i = 0; i < 24; i++) {
        uint64_t k = draw_popular(w, r);
        double score = 2.0 * made_affinity(u, &w->items[k]) -
                       log(-log(rng_double(r) + 1e-300) + 1e-300);

        if (seen_by[k] == self || score <= best_score)
            continue;
        best_score = score;
        best = k;
    }
    // Everything drawn is known already: the next item that is not.
    for (uint64_t k = draw_popular(w, r); best == UINT64_MAX; k = (k + 1) % n)
        if (seen_by[k] != self)
            best = k;
    return best;
}

static int draw_rating(const struct made_user *u, const struct made_item *i,
                       struct rng *r)
{
    double x = 2.7 + u->bias + i->bias + 0.8 * made_affinity(u, i) +
               0.4 * rng_normal(r);

    return x < 1.5 ? 1 : x >= 4.5 ? 5 : (int)(x + 0.5);
}

/* Who likes an item, and the next part of a series, sees it to the end. A
 * stream of its own: the rest stays as it is without. */
static void add_finished(const struct made_user *u, const struct made_item *i,
                         struct rng *r, struct strbuf *out)
{
    double x = 0.4 + 1.5 * made_affinity(u, i) - 1.2 * u->bias +
               (i->part > 1 ? 1.0 : 0.0);
    int finished = rng_double(r) < 1 / (1 + exp(-x));
    int known = rng_below(r, 10) > 0;

    strbuf_add(out, known ? finished ? ",1" : ",0" : ",");
}

static void write_events_of(const struct world *w, uint64_t self,
                            uint64_t n_events, uint64_t *seen_by,
                            struct strbuf *out)
{
    struct rng r =
        rng_stream(w->options->seed, RNG_GENERATE, STREAM_EVENTS, self);
    uint64_t time = 1500000000 + rng_below(&r, 63072000); // two years
    uint64_t item = UINT64_MAX;
    struct rng more =
        rng_stream(w->options->seed, RNG_GENERATE, STREAM_FINISHED, self);
    struct made_user u;

    make_user(w, self, &u);
    for (uint64_t e = 0; e < n_events; e++) {
        int goes_on = item != UINT64_MAX && w->items[item].has_next &&
                      seen_by[item + 1] != self + 1 && rng_below(&r, 10) < 7;

        item = goes_on ? item + 1 : choose(w, &u, seen_by, self + 1, &r);
        seen_by[item] = self + 1;
        time += 600 + rng_below(&r, 86400);
        strbuf_addf(out, "%llu,%llu,%d", (unsigned long long)self + 1,
                    (unsigned long long)item + 1,
                    draw_rating(&u, &w->items[item], &r));
        if (w->options->finished)
            add_finished(&u, &w->items[item], &more, out);
        strbuf_addf(out, ",%llu\n", (unsigned long long)time);
    }
}

/* Activity falls from the first user to the last as 1 / sqrt(rank), smoothed
 * over a permutation so that ids do not tell it; all within [2, most]. */
static uint64_t share_of(uint64_t u, const struct generate_options *o,
                         double sum, double scale)
{
    struct rng_permutation p =
        rng_permutation_make(o->users, rng_stream(o->seed, RNG_GENERATE, 9, 0));
    double rank = (double)rng_permute(&p, u) + 10;
    double n = 2 + scale / sqrt(rank) / sum;
    double most = (double)(o->items / 2);

    return (uint64_t)(n < most ? n : most);
}

static uint64_t total_of(const struct generate_options *o, double sum,
                         double scale)
{
    uint64_t total = 0;

    for (uint64_t u = 0; u < o->users; u++)
        total += share_of(u, o, sum, scale);
    return total;
}

/* The largest scale that does not give more events than asked for. */
static double find_scale(const struct generate_options *o, double sum)
{
    double low = 0, high = (double)o->events;

    while (total_of(o, sum, high) < o->events && high < 1e18)
        high *= 2;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;

        if (total_of(o, sum, middle) <= o->events)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum fusor_status write_events(const struct world *w, uint64_t *seen_by,
                                      struct fusor_error *err)
{
    const struct generate_options *o = w->options;
    double sum = 2 * sqrt((double)o->users), scale = find_scale(o, sum);
    uint64_t left = o->events - total_of(o, sum, scale);
    struct out_file f;
    enum fusor_status rc =
        out_open(&f, o->out, "ratings.csv",
                 o->finished ? "user,item,rating,finished,timestamp\n"
                             : "user,item,rating,timestamp\n",
                 err);

    for (uint64_t u = 0; u < o->users && rc == FUSOR_OK; u++) {
        uint64_t n = share_of(u, o, sum, scale), room = o->items / 2 - n;
        uint64_t more = left / (o->users - u); // what rounding left over

        more += left % (o->users - u) != 0;
        more = more < room ? more : room;
        left -= more;
        write_events_of(w, u, n + more, seen_by, &f.text);
        rc = out_flush(&f, 1 << 20, err);
    }
    return out_close(&f, rc, err);
}

static int same_series(const struct world *w, uint64_t a, uint64_t b)
{
    return a - w->items[a].part == b - w->items[b].part;
}

static int shared_words(const struct made_item *i, const uint16_t *words)
{
    int n = 0;

    for (int q = 0; q < 2; q++)
        for (int t = 0; t < TITLE_WORDS; t++)
            if (i->words[t] == words[q]) {
                n++;
                break;
            }
    return n;
}

/* One query: two title words of an item, sometimes one and a genre. */
static void write_query(const struct world *w, uint64_t q, struct strbuf *out)
{
    struct rng r = rng_stream(w->options->seed, RNG_GENERATE, STREAM_QUERY, q);
    uint64_t target = rng_below(&r, w->options->items);
    const struct made_item *i = &w->items[target];
    uint16_t words[2] = {i->words[0], i->words[1 + rng_below(&r, 2)]};
    int by_genre = rng_below(&r, 4) == 0;
    struct strbuf text = {0};

    made_word(words[0], &text);
    strbuf_add(&text, " ");
    if (by_genre)
        strbuf_add(&text, made_genre(i->genre[0]));
    else
        made_word(words[1], &text);
    for (uint64_t k = 0; k < w->options->items && text.s; k++) {
        int shared = shared_words(&w->items[k], words);
        int fits = by_genre ? w->items[k].words[0] == words[0] : shared == 2;

        if (same_series(w, k, target) || fits)
            strbuf_addf(out, "%llu\t%s\t%llu\t%d\n", (unsigned long long)q + 1,
                        text.s, (unsigned long long)k + 1,
                        same_series(w, k, target) ? 2 : 1);
    }
    out->failed |= text.failed;
    strbuf_clear(&text);
}

static enum fusor_status write_queries(const struct world *w,
                                       struct fusor_error *err)
{
    uint64_t n = w->options->items / 5;
    struct out_file f;
    enum fusor_status rc = out_open(&f, w->options->out, "queries.tsv",
                                    "qid\tquery\titem\trelevance\n", err);

    if (n > 1000)
        n = 1000; // each query looks at every item
    for (uint64_t q = 0; q < n && rc == FUSOR_OK; q++) {
        write_query(w, q, &f.text);
        rc = out_flush(&f, 1 << 20, err);
    }
    return out_close(&f, rc, err);
}

enum fusor_status generate_run(const struct generate_options *options,
                               struct fusor_error *err)
{
    uint64_t most = options->items / 2;
    struct world w = {.options = options};
    uint64_t *seen_by = NULL;
    enum fusor_status rc;

    if (options->events / options->users > most ||
        options->events > options->users * most ||
        options->events / 2 < options->users)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%llu events of %llu users: each can have 2 to %llu "
                          "(half of the items)",
                          (unsigned long long)options->events,
                          (unsigned long long)options->users,
                          (unsigned long long)most);
    w.items = mem_alloc(options->items, sizeof(*w.items));
    w.popular = mem_alloc(options->items, sizeof(*w.popular));
    seen_by = mem_alloc(options->items, sizeof(*seen_by));
    rc = w.items && w.popular && seen_by
             ? fs_mkdirs(options->out, err)
             : mem_fail(err, "items", options->items * 100);
    if (rc == FUSOR_OK) {
        make_items(&w);
        rc = write_items(&w, err);
    }
    if (rc == FUSOR_OK)
        rc = write_users(&w, err);
    if (rc == FUSOR_OK)
        rc = write_events(&w, seen_by, err);
    if (rc == FUSOR_OK)
        rc = write_queries(&w, err);
    mem_free(seen_by);
    mem_free(w.popular);
    mem_free(w.items);
    return rc;
}
