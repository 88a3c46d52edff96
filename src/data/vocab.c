/* Vocabularies: texts in id order, each NUL-terminated in one block, and an
 * open-addressing hash from text to id (linear probing, at most 2/3 full). */
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/schema.h"

#define VOCAB_MAGIC "FUSRVOCB"
#define VOCAB_VERSION 1u
#define VOCAB_MAX_ID (UINT32_MAX - 1)

struct slot {
    uint32_t id;  // 0: free; the empty text needs no slot
    uint32_t tag; // upper half of the hash
};

struct vocab {
    char *bytes;
    size_t n_bytes, bytes_cap;
    uint64_t *ends; // [n] of each text, its NUL included
    size_t n, ends_cap;
    struct slot *slots; // [mask + 1]
    size_t mask;
    size_t n_slots;                // taken
    const struct privacy_key *key; // NULL: texts are kept as they are
};

struct vocab_header {
    char magic[8];
    uint32_t version;
    uint32_t features; // 0
    uint64_t count;
    uint64_t n_bytes;
    uint64_t body_hash;   // XXH3 of ends and bytes
    uint64_t header_hash; // XXH3 of the bytes before this field
};

_Static_assert(sizeof(struct vocab_header) == 48, "no padding inside");

static size_t start_of(const struct vocab *v, uint32_t id)
{
    return id ? (size_t)v->ends[id - 1] : 0;
}

static int text_is(const struct vocab *v, uint32_t id, const char *text,
                   size_t n)
{
    size_t start = start_of(v, id);

    return v->ends[id] - start == n + 1 && !memcmp(v->bytes + start, text, n);
}

/* The slot of this text, or the free one where it belongs. */
static struct slot *slot_of(const struct vocab *v, const char *text, size_t n,
                            uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t i = hash & v->mask;

    while (v->slots[i].id &&
           (v->slots[i].tag != tag || !text_is(v, v->slots[i].id, text, n)))
        i = (i + 1) & v->mask;
    return &v->slots[i];
}

static int slots_make(struct vocab *v, size_t size)
{
    struct slot *fresh = mem_alloc(size, sizeof(*fresh)), *old = v->slots;
    size_t old_size = old ? v->mask + 1 : 0;

    if (!fresh)
        return -1;
    v->slots = fresh;
    v->mask = size - 1;
    for (size_t i = 0; i < old_size; i++) {
        uint32_t id = old[i].id;
        size_t start = id ? start_of(v, id) : 0;
        uint64_t hash;

        if (!id)
            continue;
        hash = hash_bytes(v->bytes + start, v->ends[id] - start - 1, 0);
        // All texts in slots differ: the first free place is the right one.
        for (size_t at = hash & v->mask;; at = (at + 1) & v->mask) {
            if (!fresh[at].id) {
                fresh[at] = old[i];
                break;
            }
        }
    }
    mem_free(old);
    return 0;
}

static int grow_bytes(struct vocab *v, size_t n)
{
    size_t want = v->bytes_cap ? v->bytes_cap : 256;
    char *fresh;

    if (n <= v->bytes_cap - v->n_bytes)
        return 0;
    while (want - v->n_bytes < n)
        want *= 2;
    fresh = mem_grow(v->bytes, v->n_bytes, want, 1);
    if (!fresh)
        return -1;
    v->bytes = fresh;
    v->bytes_cap = want;
    return 0;
}

static uint32_t append(struct vocab *v, const char *text, size_t n)
{
    void *ends = v->ends;

    if (v->n >= VOCAB_MAX_ID || n >= SIZE_MAX / 4 || grow_bytes(v, n + 1) ||
        mem_reserve(&ends, v->n, &v->ends_cap, sizeof(*v->ends)))
        return UINT32_MAX;
    v->ends = ends;
    if (n)
        memcpy(v->bytes + v->n_bytes, text, n);
    v->bytes[v->n_bytes + n] = '\0';
    v->n_bytes += n + 1;
    v->ends[v->n] = v->n_bytes;
    return (uint32_t)v->n++;
}

struct vocab *vocab_create(struct fusor_error *err)
{
    struct vocab *v = mem_alloc(1, sizeof(*v));

    if (!v || slots_make(v, 64) || append(v, "", 0) != 0) {
        vocab_destroy(v);
        mem_fail(err, "vocabulary", sizeof(*v));
        return NULL;
    }
    return v;
}

static int room_for_slot(struct vocab *v)
{
    if ((v->n_slots + 1) * 3 <= (v->mask + 1) * 2)
        return 0;
    return slots_make(v, (v->mask + 1) * 2);
}

void vocab_hide(struct vocab *v, const struct privacy_key *key)
{
    v->key = key;
}

/* The text that stands for this one. */
static const char *hide(const struct vocab *v, const char *text, size_t *n,
                        char out[PRIVACY_DIGITS + 1])
{
    if (!v->key)
        return text;
    privacy_hash(v->key, text, *n, out);
    *n = PRIVACY_DIGITS;
    return out;
}

uint32_t vocab_add(struct vocab *v, const char *text, size_t n)
{
    char hidden[PRIVACY_DIGITS + 1];
    struct slot *slot;
    uint64_t hash;
    uint32_t id;

    if (n == 0)
        return VOCAB_UNKNOWN;
    text = hide(v, text, &n, hidden);
    hash = hash_bytes(text, n, 0);
    slot = slot_of(v, text, n, hash);
    if (slot->id)
        return slot->id;
    if (room_for_slot(v))
        return UINT32_MAX;
    slot = slot_of(v, text, n, hash); // the table may have moved
    id = append(v, text, n);
    if (id == UINT32_MAX)
        return id;
    *slot = (struct slot){id, (uint32_t)(hash >> 32)};
    v->n_slots++;
    return id;
}

/* Let vocab_find() give this id when its text is new. */
static int enter(struct vocab *v, uint32_t id)
{
    size_t start = start_of(v, id), n = v->ends[id] - start - 1;
    uint64_t hash = hash_bytes(v->bytes + start, n, 0);
    struct slot *slot;

    if (n == 0)
        return 0;
    if (room_for_slot(v))
        return -1;
    slot = slot_of(v, v->bytes + start, n, hash);
    if (!slot->id) {
        *slot = (struct slot){id, (uint32_t)(hash >> 32)};
        v->n_slots++;
    }
    return 0;
}

uint32_t vocab_append(struct vocab *v, const char *text, size_t n)
{
    uint32_t id = append(v, text, n);

    return id != UINT32_MAX && enter(v, id) ? UINT32_MAX : id;
}

uint32_t vocab_find(const struct vocab *v, const char *text, size_t n)
{
    char hidden[PRIVACY_DIGITS + 1];

    if (n == 0)
        return VOCAB_UNKNOWN;
    text = hide(v, text, &n, hidden);
    return slot_of(v, text, n, hash_bytes(text, n, 0))->id;
}

const char *vocab_text(const struct vocab *v, uint32_t id, size_t *n)
{
    size_t start;

    if (id >= v->n)
        return NULL;
    start = start_of(v, id);
    if (n)
        *n = v->ends[id] - start - 1;
    return v->bytes + start;
}

uint32_t vocab_size(const struct vocab *v)
{
    return (uint32_t)v->n;
}

enum fusor_status vocab_write(const struct vocab *v, const char *path,
                              struct fusor_error *err)
{
    size_t ends_bytes = v->n * sizeof(*v->ends);
    size_t size = sizeof(struct vocab_header) + ends_bytes + v->n_bytes;
    struct vocab_header h = {
        .version = VOCAB_VERSION, .count = v->n, .n_bytes = v->n_bytes};
    char *file = mem_alloc_raw(size, 1);
    enum fusor_status rc;

    if (!file)
        return mem_fail(err, path, size);
    memcpy(file + sizeof(h), v->ends, ends_bytes);
    memcpy(file + sizeof(h) + ends_bytes, v->bytes, v->n_bytes);
    memcpy(h.magic, VOCAB_MAGIC, sizeof(h.magic));
    h.body_hash = hash_bytes(file + sizeof(h), size - sizeof(h), 0);
    h.header_hash =
        hash_bytes(&h, offsetof(struct vocab_header, header_hash), 0);
    memcpy(file, &h, sizeof(h));
    rc = fs_write_atomic(path, file, size, err);
    mem_free(file);
    return rc;
}

static enum fusor_status check_file(const char *path, const char *file,
                                    size_t size, struct vocab_header *h,
                                    struct fusor_error *err)
{
    if (size < sizeof(*h) || memcmp(file, VOCAB_MAGIC, sizeof(h->magic)))
        return fusor_fail(err, FUSOR_EDATA, "%s: no vocabulary", path);
    memcpy(h, file, sizeof(*h));
    if (h->header_hash !=
        hash_bytes(h, offsetof(struct vocab_header, header_hash), 0))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: damaged: checksum of the header: run fusor "
                          "prepare again",
                          path);
    if (h->version != VOCAB_VERSION || h->features)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: vocabulary version %u, features %x: this fusor "
                          "reads version %u: run fusor prepare again",
                          path, h->version, h->features, VOCAB_VERSION);
    size -= sizeof(*h);
    if (h->count < 1 || h->count > VOCAB_MAX_ID ||
        h->count * sizeof(uint64_t) > size ||
        h->n_bytes != size - h->count * sizeof(uint64_t) ||
        h->body_hash != hash_bytes(file + sizeof(*h), size, 0))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: damaged or truncated: run fusor prepare again",
                          path);
    return FUSOR_OK;
}

static enum fusor_status fill(struct vocab *v, const struct vocab_header *h,
                              const char *file, const char *path,
                              struct fusor_error *err)
{
    const char *bytes = file + sizeof(*h) + h->count * sizeof(uint64_t);
    uint64_t start = 0, end;

    for (uint64_t i = 0; i < h->count; i++, start = end) {
        memcpy(&end, file + sizeof(*h) + i * sizeof(end), sizeof(end));
        if (end <= start || end > h->n_bytes || bytes[end - 1] ||
            (i == 0 && end != 1) || (i + 1 == h->count && end != h->n_bytes))
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: damaged at id %llu: run fusor prepare again",
                              path, (unsigned long long)i);
        if (i > 0 &&
            vocab_append(v, bytes + start, end - start - 1) == UINT32_MAX)
            return mem_fail(err, path, h->n_bytes);
    }
    return FUSOR_OK;
}

enum fusor_status vocab_read(const char *path, struct vocab **out,
                             struct fusor_error *err)
{
    struct vocab *v = NULL;
    struct vocab_header h;
    enum fusor_status rc;
    char *file = NULL;
    size_t size;

    rc = fs_read(path, SIZE_MAX / 2, &file, &size, err);
    if (rc == FUSOR_OK)
        rc = check_file(path, file, size, &h, err);
    if (rc != FUSOR_OK)
        goto out;
    v = vocab_create(err);
    rc = v ? fill(v, &h, file, path, err) : FUSOR_ENOMEM;
    if (rc == FUSOR_OK)
        *out = v;
    else
        vocab_destroy(v);
out:
    mem_free(file);
    return rc;
}

void vocab_destroy(struct vocab *v)
{
    if (!v)
        return;
    mem_free(v->bytes);
    mem_free(v->ends);
    mem_free(v->slots);
    mem_free(v);
}
