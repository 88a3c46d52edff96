/* Items, users, words: who likes what, and why. */
#include <math.h>
#include <stddef.h>

#include "data/generate_private.h"

static const char *const genres[N_GENRES] = {
    "Action", "Adventure", "Animation", "Comedy",  "Crime",   "Documentary",
    "Drama",  "Fantasy",   "Horror",    "Romance", "Science", "Western"};

const char *made_genre(unsigned genre)
{
    return genres[genre];
}

/* Two or three syllables; different words by construction: the number is
 * written in base 16 with a syllable a digit. */
void made_word(unsigned word, struct strbuf *out)
{
    static const char *const syllables[16] = {
        "ba", "ke", "lo", "mi", "ru", "sa", "te", "vo",
        "zi", "da", "fe", "go", "hu", "na", "pe", "ri"};

    strbuf_add(out, syllables[word % 16]);
    strbuf_add(out, syllables[word / 16 % 16]);
    if (word >= 256)
        strbuf_add(out, syllables[word / 256]);
    else
        strbuf_add(out, "n");
}

void made_title(const struct made_item *item, struct strbuf *out)
{
    for (int i = 0; i < TITLE_WORDS; i++) {
        size_t start = out->len;

        strbuf_add(out, i ? " " : "");
        start = out->len;
        made_word(item->words[i], out);
        if (!out->failed)
            out->s[start] = (char)(out->s[start] - 'a' + 'A');
    }
    if (item->part > 1)
        strbuf_addf(out, " %u", item->part);
    strbuf_addf(out, " (%u)", item->year);
}

static uint16_t genre_word(struct rng *r, unsigned genre)
{
    return (uint16_t)(genre * GENRE_WORDS + rng_below(r, GENRE_WORDS));
}

/* A work that is no sequel. */
static void make_first(struct rng *r, struct made_item *i)
{
    i->genre[0] = (uint8_t)rng_below(r, N_GENRES);
    i->genre[1] =
        rng_below(r, 3) ? i->genre[0] : (uint8_t)rng_below(r, N_GENRES);
    i->words[0] = genre_word(r, i->genre[0]);
    i->words[1] = genre_word(r, i->genre[1]);
    i->words[2] =
        (uint16_t)(N_GENRES * GENRE_WORDS + rng_below(r, COMMON_WORDS));
    i->year = (uint16_t)(1950 + rng_below(r, 70));
    i->part = 1;
    i->bias = (float)(0.4 * rng_normal(r));
    for (int d = 0; d < N_LATENT; d++)
        i->latent[d] = (float)rng_normal(r);
}

/* A sequel keeps title and genres, and most of what the factors say. */
static void make_sequel(struct rng *r, const struct made_item *before,
                        struct made_item *i)
{
    *i = *before;
    i->part++;
    i->has_next = 0;
    i->year++;
    i->bias -= 0.1f;
    for (int d = 0; d < N_LATENT; d++)
        i->latent[d] =
            (float)(0.9 * i->latent[d] + 0.436 * rng_normal(r)); // variance 1
}

void make_items(struct world *w)
{
    double sum = 0;

    for (uint64_t k = 0; k < w->options->items; k++) {
        struct rng r =
            rng_stream(w->options->seed, RNG_GENERATE, STREAM_ITEM, k);
        struct made_item *i = &w->items[k];
        int sequel = k > 0 && i[-1].part < 5 && rng_below(&r, 3) == 0;

        if (sequel) {
            make_sequel(&r, &i[-1], i);
            i[-1].has_next = 1;
        } else {
            make_first(&r, i);
        }
        sum += exp(1.0 * rng_normal(&r) + i->bias);
        w->popular[k] = sum;
    }
}

void make_user(const struct world *w, uint64_t u, struct made_user *out)
{
    struct rng r = rng_stream(w->options->seed, RNG_GENERATE, STREAM_USER, u);
    int told = rng_below(&r, 5) != 0;

    out->by_genre = (int)rng_below(&r, 2);
    out->bias = (float)(0.3 * rng_normal(&r));
    for (int d = 0; d < N_LATENT; d++)
        out->latent[d] = (float)rng_normal(&r);
    for (int g = 0; g < N_GENRES; g++)
        out->taste[g] = -0.6f; // mean 0 with three loved genres of twelve
    for (int g = 0; g < 3; g++)
        out->taste[rng_below(&r, N_GENRES)] = 1.8f;
    out->is_male = (int)rng_below(&r, 2);
    out->age = 10 + 5 * (unsigned)rng_below(&r, 12);
    out->occupation = 2 * (unsigned)rng_below(&r, 8) +
                      (unsigned)(told ? out->by_genre : !out->by_genre);
}

float made_affinity(const struct made_user *u, const struct made_item *i)
{
    float taste = (u->taste[i->genre[0]] + u->taste[i->genre[1]]) / 2, dot = 0;

    for (int d = 0; d < N_LATENT; d++)
        dot += u->latent[d] * i->latent[d];
    dot /= 2.83f; // sqrt(8): variance 1
    return u->by_genre ? 0.95f * taste + 0.15f * dot
                       : 0.15f * taste + 0.95f * dot;
}
