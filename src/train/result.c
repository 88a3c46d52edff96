/* Results as 64-bit words, little-endian. */
#include "train/result.h"

#include <math.h>
#include <string.h>

#define EPOCH_COUNTS 4 /* before the profile */
#define EPOCH_WEIGHED (EPOCH_COUNTS + PROFILE_TOTAL_WORDS)
#define EPOCH_WORDS (EPOCH_WEIGHED + 1) /* before the weights of the towers */
#define WEIGHT_MAX 4e12 /* of a micro-batch: in steps of 2^-20 it fits */
#define CUT_COUNTS 6    /* before the staleness */
#define CUT_PROFILE (CUT_COUNTS + CUT_STALENESS_MAX)
#define CUT_WORDS (CUT_PROFILE + PROFILE_TOTAL_WORDS)

static void put_words(const uint64_t *words, size_t n, struct strbuf *out)
{
    strbuf_clear(out);
    for (size_t i = 0; i < n; i++) {
        char bytes[8];

        for (int b = 0; b < 8; b++)
            bytes[b] = (char)(unsigned char)(words[i] >> 8 * b);
        strbuf_add_n(out, bytes, sizeof(bytes));
    }
}

static enum fusor_status get_words(const void *data, size_t size,
                                   const char *what, uint64_t *words, size_t n,
                                   struct fusor_error *err)
{
    const unsigned char *bytes = data;

    if (size != 8 * n)
        return fusor_fail(err, FUSOR_EPROTO, "%s: %zu bytes instead of %zu",
                          what, size, 8 * n);
    memset(words, 0, n * sizeof(*words));
    for (size_t i = 0; i < 8 * n; i++)
        words[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
    return FUSOR_OK;
}

void epoch_result_encode(const struct epoch_result *r, struct strbuf *out)
{
    uint64_t words[EPOCH_WORDS + RESULT_TOWERS_MAX] = {
        r->samples, (uint64_t)r->loss, r->busy_ns, r->wait_ns};

    profile_total_pack(&r->profile, words + EPOCH_COUNTS);
    words[EPOCH_WEIGHED] = r->weighed;
    memcpy(words + EPOCH_WORDS, r->weights, r->n_towers * sizeof(*words));
    put_words(words, EPOCH_WORDS + r->n_towers, out);
}

enum fusor_status epoch_result_decode(const void *data, size_t size,
                                      struct epoch_result *out,
                                      struct fusor_error *err)
{
    uint64_t words[EPOCH_WORDS + RESULT_TOWERS_MAX];
    size_t n = size / 8;

    if (n < EPOCH_WORDS)
        n = EPOCH_WORDS; // so that a short text is named as such
    if (n > EPOCH_WORDS + RESULT_TOWERS_MAX)
        n = EPOCH_WORDS + RESULT_TOWERS_MAX;
    FUSOR_TRY(get_words(data, size, "epoch result", words, n, err));
    *out = (struct epoch_result){.samples = words[0],
                                 .loss = (int64_t)words[1],
                                 .busy_ns = words[2],
                                 .wait_ns = words[3],
                                 .n_towers = (uint32_t)(n - EPOCH_WORDS),
                                 .weighed = words[EPOCH_WEIGHED]};
    memcpy(out->weights, words + EPOCH_WORDS,
           out->n_towers * sizeof(*out->weights));
    profile_total_unpack(words + EPOCH_COUNTS, &out->profile);
    return FUSOR_OK;
}

void result_add_loss(int64_t *sum, int64_t loss)
{
    if (__builtin_add_overflow(*sum, loss, sum))
        *sum = loss < 0 ? INT64_MIN : INT64_MAX;
}

void epoch_result_add(struct epoch_result *into,
                      const struct epoch_result *from)
{
    into->samples += from->samples;
    result_add_loss(&into->loss, from->loss);
    into->busy_ns += from->busy_ns;
    into->wait_ns += from->wait_ns;
    profile_total_add(&into->profile, &from->profile);
    into->weighed += from->weighed;
    if (from->n_towers > into->n_towers)
        into->n_towers = from->n_towers;
    for (uint32_t t = 0; t < from->n_towers; t++)
        result_add_loss(&into->weights[t], from->weights[t]);
}

void epoch_result_weigh(struct epoch_result *r, const double *sums,
                        uint32_t n_towers, uint32_t n)
{
    r->n_towers = n_towers;
    r->weighed += n;
    for (uint32_t t = 0; t < n_towers; t++)
        if (fabs(sums[t]) < WEIGHT_MAX)
            result_add_loss(&r->weights[t], llround(sums[t] * RESULT_LOSS_ONE));
}

void cut_result_encode(const struct cut_result *r, struct strbuf *out)
{
    uint64_t words[CUT_WORDS] = {r->rows,       r->pulls,   r->pushes,
                                 r->duplicates, r->evicted, r->refused};

    memcpy(words + CUT_COUNTS, r->staleness_count, sizeof(r->staleness_count));
    profile_total_pack(&r->profile, words + CUT_PROFILE);
    put_words(words, CUT_WORDS, out);
}

enum fusor_status cut_result_decode(const void *data, size_t size,
                                    struct cut_result *out,
                                    struct fusor_error *err)
{
    uint64_t words[CUT_WORDS];

    FUSOR_TRY(get_words(data, size, "result of a cut", words, CUT_WORDS, err));
    *out = (struct cut_result){.rows = words[0],
                               .pulls = words[1],
                               .pushes = words[2],
                               .duplicates = words[3],
                               .evicted = words[4],
                               .refused = words[5]};
    memcpy(out->staleness_count, words + CUT_COUNTS,
           sizeof(out->staleness_count));
    profile_total_unpack(words + CUT_PROFILE, &out->profile);
    return FUSOR_OK;
}

void cut_result_add(struct cut_result *into, const struct cut_result *from)
{
    into->rows += from->rows;
    into->pulls += from->pulls;
    into->pushes += from->pushes;
    into->duplicates += from->duplicates;
    into->evicted += from->evicted;
    into->refused += from->refused;
    for (int i = 0; i < CUT_STALENESS_MAX; i++)
        into->staleness_count[i] += from->staleness_count[i];
    profile_total_add(&into->profile, &from->profile);
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now;
}

struct cut_result cut_result_since(const struct cut_result *now,
                                   const struct cut_result *before)
{
    struct cut_result r = {
        .rows = now->rows,
        .pulls = since(now->pulls, before->pulls),
        .pushes = since(now->pushes, before->pushes),
        .duplicates = since(now->duplicates, before->duplicates),
        .evicted = since(now->evicted, before->evicted),
        .refused = since(now->refused, before->refused),
        .profile = now->profile,
    };

    for (int i = 0; i < CUT_STALENESS_MAX; i++)
        r.staleness_count[i] =
            since(now->staleness_count[i], before->staleness_count[i]);
    return r;
}
