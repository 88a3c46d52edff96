/* The made world, shared by the files of generate; private to them. */
#ifndef DATA_GENERATE_PRIVATE_H
#define DATA_GENERATE_PRIVATE_H

#include "base/rng.h"
#include "base/str.h"
#include "data/generate.h"

#define N_GENRES 12
#define N_LATENT 8
#define GENRE_WORDS 40
#define COMMON_WORDS 24
#define TITLE_WORDS 3

/* Streams of random numbers: what for. */
enum generate_stream {
    STREAM_ITEM,
    STREAM_USER,
    STREAM_EVENTS,
    STREAM_QUERY,
    STREAM_FINISHED = 10 // 9: how active users are
};

struct made_item {
    float latent[N_LATENT];
    float bias;
    uint8_t genre[2]; // the same twice: only one
    uint8_t part;     // of its series, from 1
    uint8_t has_next; // the next item is the next part
    uint16_t words[TITLE_WORDS];
    uint16_t year;
};

struct made_user {
    float latent[N_LATENT];
    float taste[N_GENRES];
    float bias;
    int by_genre; // group A
    unsigned age, occupation;
    int is_male;
};

struct world {
    const struct generate_options *options;
    struct made_item *items;
    double *popular; // [items] running sum of weights
};

void make_items(struct world *w);
void make_user(const struct world *w, uint64_t u, struct made_user *out);
/** How much this user likes this item; about standard normal. */
float made_affinity(const struct made_user *u, const struct made_item *i);

const char *made_genre(unsigned genre);
/** Append a word. Genre words: genre * GENRE_WORDS + k; common words behind. */
void made_word(unsigned word, struct strbuf *out);
void made_title(const struct made_item *item, struct strbuf *out);

#endif
