/* Four numbers, little-endian. */
#include "train/result.h"

#include <string.h>

#define N_WORDS 4

void epoch_result_encode(const struct epoch_result *r, struct strbuf *out)
{
    uint64_t words[N_WORDS] = {r->samples, (uint64_t)r->loss, r->busy_ns,
                               r->wait_ns};
    unsigned char bytes[8 * N_WORDS];

    for (int i = 0; i < 8 * N_WORDS; i++)
        bytes[i] = (unsigned char)(words[i / 8] >> 8 * (i % 8));
    strbuf_clear(out);
    strbuf_add_n(out, (const char *)bytes, sizeof(bytes));
}

enum fusor_status epoch_result_decode(const void *data, size_t size,
                                      struct epoch_result *out,
                                      struct fusor_error *err)
{
    const unsigned char *bytes = data;
    uint64_t words[N_WORDS] = {0};

    if (size != 8 * N_WORDS)
        return fusor_fail(err, FUSOR_EPROTO,
                          "epoch result: %zu bytes instead of %d", size,
                          8 * N_WORDS);
    for (int i = 0; i < 8 * N_WORDS; i++)
        words[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
    *out =
        (struct epoch_result){words[0], (int64_t)words[1], words[2], words[3]};
    return FUSOR_OK;
}

void epoch_result_add(struct epoch_result *into,
                      const struct epoch_result *from)
{
    into->samples += from->samples;
    into->loss += from->loss;
    into->busy_ns += from->busy_ns;
    into->wait_ns += from->wait_ns;
}
