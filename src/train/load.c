/* A load as words behind another result (little-endian), and as JSON. */
#include "train/load.h"

#include <stddef.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

#define TAIL_WORDS 4 /* three counters, number of buckets */
#define VERSION 1

static void put_word(struct strbuf *out, uint64_t v)
{
    char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(unsigned char)(v >> 8 * i);
    strbuf_add_n(out, bytes, sizeof(bytes));
}

static uint64_t word_at(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

void load_encode(const struct load *l, struct strbuf *out)
{
    uint64_t n = 0;

    for (unsigned b = 0; b < BUCKET_COUNT; b++) {
        if (!l->buckets[b].rows)
            continue;
        put_word(out, b);
        put_word(out, l->buckets[b].rows);
        put_word(out, l->buckets[b].bytes);
        n++;
    }
    put_word(out, l->rows_asked);
    put_word(out, l->rows_held);
    put_word(out, l->bytes_held);
    put_word(out, n);
}

enum fusor_status load_add_encoded(struct load *into, const void *data,
                                   size_t size, uint64_t *cost, size_t *before,
                                   struct fusor_error *err)
{
    const unsigned char *end = (const unsigned char *)data + size, *tail;
    uint64_t n = size >= 8 * TAIL_WORDS ? word_at(end - 8) : UINT64_MAX;
    uint64_t sum = 0;

    if (n > BUCKET_COUNT || size < 8 * (3 * n + TAIL_WORDS))
        return fusor_fail(err, FUSOR_EPROTO,
                          "result of a cut: no load in %zu bytes", size);
    tail = end - 8 * TAIL_WORDS;
    into->rows_asked += word_at(tail);
    into->rows_held += word_at(tail + 8);
    into->bytes_held += word_at(tail + 16);
    for (const unsigned char *p = tail - 24 * n; p < tail; p += 24) {
        struct bucket_load b = {word_at(p + 8), word_at(p + 16)};
        struct bucket_load *at = &into->buckets[word_at(p) % BUCKET_COUNT];

        at->rows += b.rows;
        at->bytes += b.bytes;
        sum += bucket_load_cost(&b);
    }
    if (cost)
        *cost = sum;
    *before = size - 8 * (size_t)(3 * n + TAIL_WORDS);
    return FUSOR_OK;
}

double load_imbalance(const uint64_t *costs, uint32_t n_shards)
{
    double sum = 0, most = 0;

    for (uint32_t i = 0; i < n_shards; i++) {
        sum += (double)costs[i];
        most = (double)costs[i] > most ? (double)costs[i] : most;
    }
    return sum > 0 ? most / (sum / n_shards) : 1;
}

static void add_array(struct json *j, const char *key, const struct load *l,
                      size_t offset)
{
    json_begin_array(j, key);
    for (unsigned b = 0; b < BUCKET_COUNT; b++) {
        uint64_t v;

        memcpy(&v, (const char *)&l->buckets[b] + offset, sizeof(v));
        json_uint(j, NULL, v);
    }
    json_end_array(j);
}

enum fusor_status load_write(const char *run_dir, const struct load *l,
                             double imbalance, struct fusor_error *err)
{
    struct json j = {0};
    char path[FS_PATH_MAX];
    enum fusor_status rc;

    json_begin_object(&j, NULL);
    json_uint(&j, "version", VERSION);
    json_number(&j, "imbalance", imbalance);
    add_array(&j, "rows", l, offsetof(struct bucket_load, rows));
    add_array(&j, "bytes", l, offsetof(struct bucket_load, bytes));
    json_end_object(&j);
    strbuf_add(&j.text, "\n");
    fs_join(path, run_dir, LOAD_FILE);
    rc = j.text.failed ? mem_fail(err, LOAD_FILE, sizeof(*l))
                       : fs_write_atomic(path, j.text.s, j.text.len, err);
    json_clear(&j);
    return rc;
}

static enum fusor_status read_array(struct yaml_node *root, const char *key,
                                    size_t offset, struct load *out,
                                    struct fusor_error *err)
{
    const struct yaml_node *list = yaml_get(root, key);

    if (!list || list->kind != YAML_LIST || list->n != BUCKET_COUNT)
        return yaml_fail(list ? list : root, err,
                         "%s: expected a list of %d numbers", key,
                         BUCKET_COUNT);
    for (size_t i = 0; i < list->n; i++) {
        int64_t v;

        FUSOR_TRY(yaml_to_i64(list->items[i], &v, err));
        if (v < 0)
            return yaml_fail(list->items[i], err, "%s: a negative load", key);
        memcpy((char *)&out->buckets[i] + offset, &v, sizeof(v));
    }
    return FUSOR_OK;
}

static enum fusor_status read_root(struct yaml_node *root, struct load *out,
                                   struct fusor_error *err)
{
    struct yaml_node *node = yaml_get(root, "version");
    int64_t version = 0;

    if (node)
        FUSOR_TRY(yaml_to_i64(node, &version, err));
    if (version != VERSION)
        return yaml_fail(root, err, "a load of version %lld, expected %d",
                         (long long)version, VERSION);
    FUSOR_TRY(
        read_array(root, "rows", offsetof(struct bucket_load, rows), out, err));
    return read_array(root, "bytes", offsetof(struct bucket_load, bytes), out,
                      err);
}

enum fusor_status load_read(const char *run_dir, struct load *out,
                            struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    struct yaml *y;
    enum fusor_status rc;

    memset(out, 0, sizeof(*out));
    if (!fs_exists(fs_join(path, run_dir, LOAD_FILE)))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: there is none; the servers of a distributed "
                          "run write it at the end of each epoch",
                          path);
    FUSOR_TRY(yaml_read(path, &y, err));
    rc = read_root(yaml_root(y), out, err);
    yaml_destroy(y);
    return rc;
}
