/* Commands as bytes: fixed places, little-endian. */
#include "coord/command.h"

#include <string.h>

const char *command_name(enum command_kind kind)
{
    static const char *const names[] = {
        [COMMAND_LOAD] = "load",         [COMMAND_BEGIN] = "begin",
        [COMMAND_EPOCH] = "epoch",       [COMMAND_CUT] = "cut",
        [COMMAND_EVALUATE] = "evaluate", [COMMAND_SAVE] = "save",
        [COMMAND_WARM] = "warm start",   [COMMAND_SCORE] = "score",
        [COMMAND_MINE] = "mine",         [COMMAND_FINISH] = "finish",
    };

    if ((size_t)kind >= sizeof(names) / sizeof(names[0]) || !names[kind])
        return "unknown command";
    return names[kind];
}

int command_for_shards(enum command_kind kind)
{
    return kind == COMMAND_FINISH || !command_for_workers(kind);
}

int command_for_workers(enum command_kind kind)
{
    return kind == COMMAND_EPOCH || kind == COMMAND_EVALUATE ||
           kind == COMMAND_SCORE || kind == COMMAND_MINE ||
           kind == COMMAND_FINISH;
}

static void put(unsigned char **p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *(*p)++ = (unsigned char)(v >> 8 * i);
}

static uint64_t get(const unsigned char **p, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint64_t) * (*p)++ << 8 * i;
    return v;
}

void command_encode(const struct command *c, unsigned char *out)
{
    unsigned char *p = out;
    uint64_t factor;

    memset(out, 0, COMMAND_BYTES);
    memcpy(&factor, &c->lr_factor, sizeof(factor));
    put(&p, c->sequence, 8);
    put(&p, c->epoch, 8);
    put(&p, c->clock, 8);
    put(&p, c->n_units, 8);
    put(&p, c->samples_done, 8);
    put(&p, factor, 8);
    put(&p, (uint64_t)c->kind, 4);
    put(&p, c->stage, 4);
    put(&p, c->n_workers, 4);
    put(&p, c->split, 4);
    memcpy(p, c->text, strnlen(c->text, COMMAND_TEXT_MAX - 1));
}

enum fusor_status command_decode(const void *data, size_t size,
                                 struct command *out, struct fusor_error *err)
{
    const unsigned char *p = data;
    uint64_t factor;

    if (size != COMMAND_BYTES)
        return fusor_fail(err, FUSOR_EPROTO, "command: %zu bytes instead of %d",
                          size, COMMAND_BYTES);
    memset(out, 0, sizeof(*out));
    out->sequence = get(&p, 8);
    out->epoch = get(&p, 8);
    out->clock = get(&p, 8);
    out->n_units = get(&p, 8);
    out->samples_done = get(&p, 8);
    factor = get(&p, 8);
    memcpy(&out->lr_factor, &factor, sizeof(factor));
    out->kind = (enum command_kind)get(&p, 4);
    out->stage = (uint32_t)get(&p, 4);
    out->n_workers = (uint32_t)get(&p, 4);
    out->split = (uint32_t)get(&p, 4);
    memcpy(out->text, p, COMMAND_TEXT_MAX - 1);
    if (out->kind < COMMAND_LOAD || out->kind > COMMAND_FINISH)
        return fusor_fail(err, FUSOR_EPROTO, "command: unknown kind %d",
                          (int)out->kind);
    return FUSOR_OK;
}
