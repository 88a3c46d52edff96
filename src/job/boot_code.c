/* The boot record to bytes and back. */
#include "job/boot.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define MAGIC "FUSBOOT" /* 8 bytes with its NUL */
#define HEAD_BYTES 32   /* magic, version, size, checksum */
#define BOOT_MAX_RANKS 65536
#define BOOT_MAX_TEXT ((uint64_t)64 << 20)

/* Writing. */

static void put_u64(struct strbuf *out, uint64_t v)
{
    char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(v >> 8 * i);
    strbuf_add_n(out, bytes, 8);
}

static void put_text(struct strbuf *out, const char *s)
{
    size_t n = strlen(s);

    put_u64(out, n);
    strbuf_add_n(out, s, n);
}

static void put_rank(struct strbuf *out, const struct boot_rank *r)
{
    const struct placement_rank *p = &r->place;

    put_text(out, r->host);
    put_text(out, r->kernel);
    put_text(out, r->public_key);
    put_u64(out, r->on_host);
    put_u64(out, (uint64_t)p->is_server);
    put_u64(out, (uint64_t)p->is_worker);
    put_u64(out, p->server);
    put_u64(out, p->n_shards);
    put_u64(out, p->first_shard);
    put_u64(out, p->worker);
    put_u64(out, p->n_threads);
    put_u64(out, p->first_thread);
}

static void put_cpus(struct strbuf *out, const struct machine_cpus *cpus)
{
    for (int i = 0; i < MACHINE_WORDS; i++)
        put_u64(out, cpus->word[i]);
}

static void put_bind(struct strbuf *out, const struct affinity *a)
{
    put_u64(out, a ? a->n_threads : 0);
    if (!a)
        return;
    put_cpus(out, &a->cpus);
    for (uint32_t i = 0; i < a->n_threads; i++) {
        put_cpus(out, &a->threads[i].cpus);
        put_u64(out, a->threads[i].node);
    }
}

static void put_body(struct strbuf *out, const struct boot *b)
{
    put_u64(out, b->job);
    put_u64(out, b->incarnation);
    put_u64(out, b->rank);
    put_u64(out, (uint64_t)b->role);
    put_u64(out, (uint64_t)b->secure);
    put_u64(out, (uint64_t)b->resume);
    put_u64(out, (uint64_t)b->quiet);
    put_text(out, b->build);
    put_text(out, b->run_dir);
    put_text(out, b->keys.public_key);
    put_text(out, b->keys.secret_key);
    put_text(out, b->shm_key);
    put_u64(out, b->n_ranks);
    for (uint32_t i = 0; i < b->n_ranks; i++)
        put_rank(out, &b->ranks[i]);
    put_u64(out, b->n_shards);
    for (uint32_t i = 0; i < b->n_shards; i++)
        put_text(out, b->shards[i].text);
    put_u64(out, b->bucket_map ? BUCKET_COUNT : 0);
    for (uint32_t i = 0; b->bucket_map && i < BUCKET_COUNT; i++)
        put_u64(out, b->bucket_map[i]);
    put_text(out, b->coordinator.text);
    put_bind(out, b->bind);
    put_u64(out, b->n_listeners);
    for (uint32_t i = 0; i < b->n_listeners; i++)
        put_u64(out, (uint64_t)b->listeners[i]);
    put_text(out, b->job_text);
}

void boot_encode(const struct boot *b, struct strbuf *out)
{
    struct strbuf body = {0};

    put_body(&body, b);
    strbuf_add_n(out, MAGIC, 8);
    put_u64(out, BOOT_VERSION);
    put_u64(out, body.len);
    put_u64(out, body.s ? hash_bytes(body.s, body.len, BOOT_VERSION) : 0);
    if (body.s)
        strbuf_add_n(out, body.s, body.len);
    out->failed |= body.failed;
    strbuf_clear(&body);
}

/* Reading: a cursor that fails once and then gives zeros. */

struct cursor {
    const unsigned char *p;
    size_t left;
    int failed;
};

static uint64_t get_u64(struct cursor *c, uint64_t most)
{
    uint64_t v = 0;

    if (c->failed || c->left < 8) {
        c->failed = 1;
        return 0;
    }
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)c->p[i] << 8 * i;
    c->p += 8;
    c->left -= 8;
    c->failed = v > most;
    return c->failed ? 0 : v;
}

static uint32_t get_u32(struct cursor *c)
{
    return (uint32_t)get_u64(c, UINT32_MAX);
}

static int get_bool(struct cursor *c)
{
    return (int)get_u64(c, 1);
}

/* A text of less than room bytes. */
static void get_text(struct cursor *c, char *out, size_t room)
{
    size_t n = (size_t)get_u64(c, room - 1);

    if (n > c->left)
        c->failed = 1;
    if (c->failed)
        n = 0;
    memcpy(out, c->p, n);
    out[n] = '\0';
    c->p += n;
    c->left -= n;
}

static char *get_long_text(struct cursor *c)
{
    struct cursor peek = *c;
    uint64_t n = get_u64(&peek, BOOT_MAX_TEXT);
    char *text = peek.failed || n > peek.left ? NULL : mem_alloc(n + 1, 1);

    if (text)
        get_text(c, text, n + 1);
    else
        c->failed = 1;
    return text;
}

static void get_rank(struct cursor *c, struct boot_rank *r)
{
    struct placement_rank *p = &r->place;

    get_text(c, r->host, sizeof(r->host));
    get_text(c, r->kernel, sizeof(r->kernel));
    get_text(c, r->public_key, sizeof(r->public_key));
    r->on_host = get_u32(c);
    p->is_server = get_bool(c);
    p->is_worker = get_bool(c);
    p->server = get_u32(c);
    p->n_shards = get_u32(c);
    p->first_shard = get_u32(c);
    p->worker = get_u32(c);
    p->n_threads = get_u32(c);
    p->first_thread = get_u32(c);
}

/* An array of up to most elements; *n is 0 when it cannot be. */
static void *get_array(struct cursor *c, uint64_t most, size_t size,
                       uint32_t *n)
{
    void *array;

    *n = (uint32_t)get_u64(c, most);
    array = mem_alloc(*n, size);
    if (!array) {
        c->failed = 1;
        *n = 0;
    }
    return array;
}

/* All buckets or none. */
static void get_map(struct cursor *c, struct boot *b)
{
    uint32_t n = (uint32_t)get_u64(c, BUCKET_COUNT);

    if (n == 0)
        return;
    b->bucket_map = mem_alloc(BUCKET_COUNT, sizeof(*b->bucket_map));
    if (!b->bucket_map || n != BUCKET_COUNT || b->n_shards == 0) {
        c->failed = 1;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        b->bucket_map[i] = (uint16_t)get_u64(c, b->n_shards - 1);
}

static void get_cpus(struct cursor *c, struct machine_cpus *cpus)
{
    for (int i = 0; i < MACHINE_WORDS; i++)
        cpus->word[i] = get_u64(c, UINT64_MAX);
}

static void get_bind(struct cursor *c, struct boot *b)
{
    uint32_t n = (uint32_t)get_u64(c, AFFINITY_THREADS_MAX);

    if (n == 0)
        return;
    b->bind = mem_alloc(1, sizeof(*b->bind));
    if (!b->bind) {
        c->failed = 1;
        return;
    }
    b->bind->n_threads = n;
    get_cpus(c, &b->bind->cpus);
    for (uint32_t i = 0; i < n; i++) {
        get_cpus(c, &b->bind->threads[i].cpus);
        b->bind->threads[i].node = get_u32(c);
    }
}

static void get_body(struct cursor *c, struct boot *b)
{
    b->job = get_u64(c, UINT64_MAX);
    b->incarnation = get_u32(c);
    b->rank = get_u32(c);
    b->role = (enum role_kind)get_u64(c, ROLE_COORDINATOR);
    b->secure = get_bool(c);
    b->resume = get_bool(c);
    b->quiet = get_bool(c);
    get_text(c, b->build, sizeof(b->build));
    get_text(c, b->run_dir, sizeof(b->run_dir));
    get_text(c, b->keys.public_key, sizeof(b->keys.public_key));
    get_text(c, b->keys.secret_key, sizeof(b->keys.secret_key));
    get_text(c, b->shm_key, sizeof(b->shm_key));
    b->ranks = get_array(c, BOOT_MAX_RANKS, sizeof(*b->ranks), &b->n_ranks);
    for (uint32_t i = 0; i < b->n_ranks; i++)
        get_rank(c, &b->ranks[i]);
    b->shards =
        get_array(c, PLACEMENT_MAX_SHARDS, sizeof(*b->shards), &b->n_shards);
    for (uint32_t i = 0; i < b->n_shards; i++)
        get_text(c, b->shards[i].text, sizeof(b->shards[i].text));
    get_map(c, b);
    get_text(c, b->coordinator.text, sizeof(b->coordinator.text));
    get_bind(c, b);
    b->listeners = get_array(c, PLACEMENT_MAX_SHARDS, sizeof(*b->listeners),
                             &b->n_listeners);
    for (uint32_t i = 0; i < b->n_listeners; i++)
        b->listeners[i] = (int)get_u64(c, INT32_MAX);
    b->job_text = get_long_text(c);
}

static enum fusor_status check_head(const unsigned char *data, size_t size,
                                    struct fusor_error *err)
{
    struct cursor c = {data + 8, HEAD_BYTES - 8, 0};
    uint64_t version, n, sum;

    if (size < HEAD_BYTES || memcmp(data, MAGIC, 8) != 0)
        return fusor_fail(err, FUSOR_EPROTO,
                          "this is no boot record; `fusor role` is started by "
                          "fusor itself, not by hand");
    version = get_u64(&c, UINT64_MAX);
    n = get_u64(&c, UINT64_MAX);
    sum = get_u64(&c, UINT64_MAX);
    if (version != BOOT_VERSION)
        return fusor_fail(err, FUSOR_EPROTO,
                          "boot record of version %llu, expected %d",
                          (unsigned long long)version, BOOT_VERSION);
    if (n != size - HEAD_BYTES ||
        hash_bytes(data + HEAD_BYTES, size - HEAD_BYTES, BOOT_VERSION) != sum)
        return fusor_fail(err, FUSOR_EPROTO, "the boot record is damaged");
    return FUSOR_OK;
}

enum fusor_status boot_decode(const void *data, size_t size, struct boot *out,
                              struct fusor_error *err)
{
    struct cursor c;
    struct boot b = {0};

    FUSOR_TRY(check_head(data, size, err));
    c = (struct cursor){(const unsigned char *)data + HEAD_BYTES,
                        size - HEAD_BYTES, 0};
    get_body(&c, &b);
    if (c.failed || c.left || b.rank >= b.n_ranks) {
        boot_clear(&b);
        return fusor_fail(err, FUSOR_EPROTO, "the boot record does not add up");
    }
    *out = b;
    return FUSOR_OK;
}
