/* Payloads lent between processes: the ring carries a note of where the bytes
 * are, the borrower reads them there and says so in a flag a loan when it is
 * done. Who dies has given back everything. */
#define _GNU_SOURCE /* F_GET_SEALS */
#include "transport/shm_endpoint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"

#define REGION_MOST ((uint64_t)1 << 42) /* a bound on what is mapped */

struct shm_home *shm_home_make(const struct shm_segment *s,
                               struct shm_control *in)
{
    struct shm_home *h = mem_alloc(1, sizeof(*h));

    if (!h)
        return NULL;
    atomic_init(&h->refs, 1);
    h->segment = *s;
    h->in = in;
    for (uint32_t i = 0; i < SHM_LOANS; i++)
        h->borrowed[i] = (struct shm_borrowed){h, i};
    return h;
}

int shm_home_map(struct shm_home *h, int fd, uint64_t size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    void *base;

    if (!size || size > REGION_MOST || seals < 0 || !(seals & F_SEAL_SHRINK) ||
        fstat(fd, &st) || (uint64_t)st.st_size != size)
        return -1;
    base =
        mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return -1;
    madvise(base, (size_t)size, MADV_DONTDUMP);
    h->theirs = base;
    h->their_size = (size_t)size;
    return 0;
}

void shm_home_unref(struct shm_home *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) > 1)
        return;
    if (h->theirs)
        munmap((void *)(uintptr_t)h->theirs, h->their_size);
    shm_segment_unmap(&h->segment);
    mem_free(h);
}

/* In the shape of struct payload's release. */
static void give_back(void *data, void *hint)
{
    struct shm_borrowed *b = hint;

    (void)data;
    atomic_store(&b->home->in->returned[b->id], 1);
    shm_home_unref(b->home);
}

int shm_loan_take(struct shm_home *h, const struct shm_loan_note *note,
                  struct payload *out)
{
    if (note->id >= SHM_LOANS || note->at % 8 || note->at > h->their_size ||
        note->size > h->their_size - note->at)
        return -1;
    atomic_fetch_add(&h->refs, 1);
    *out = (struct payload){.data = h->theirs + note->at,
                            .size = (size_t)note->size,
                            .release = give_back,
                            .hint = &h->borrowed[note->id]};
    return 0;
}

void shm_lent_init(struct shm_lent *l)
{
    l->n = 0;
    l->bytes = 0;
    for (unsigned i = 0; i < SHM_LOANS; i++)
        l->ids[i] = (uint16_t)i;
}

int shm_may_lend(const struct shm_endpoint *e, const struct shm_conn *c,
                 const struct payload *payload)
{
    const uint8_t *base = e->shared.base, *at = payload->data;

    return c->may_lend && c->state == SHM_OPEN && c->lent.n < SHM_LOANS &&
           payload->size <= e->shared.size && at >= base &&
           at <= base + e->shared.size - payload->size &&
           c->lent.bytes + payload->size <= e->shared.most;
}

enum fusor_status shm_lend(const struct shm_endpoint *e, struct shm_conn *c,
                           const void *header, size_t header_size,
                           const struct payload *payload)
{
    struct shm_lent *l = &c->lent;
    uint16_t id = l->ids[l->n];
    const uint8_t *base = e->shared.base, *at = payload->data;
    struct shm_loan_note note = {
        .at = (uint64_t)(at - base), .size = payload->size, .id = id};
    enum fusor_status rc =
        shm_sender_put_loan(&c->out, header, header_size, &note);

    if (rc != FUSOR_OK)
        return rc;
    l->payloads[id] = *payload;
    l->bytes += payload->size;
    l->n++;
    return FUSOR_OK;
}

/* Its place among those lent goes to the last of them. */
static void take_back(struct shm_lent *l, unsigned i)
{
    uint16_t id = l->ids[i];
    struct payload p = l->payloads[id];

    l->ids[i] = l->ids[--l->n];
    l->ids[l->n] = id;
    l->bytes -= p.size;
    if (p.release)
        p.release((void *)(uintptr_t)p.data, p.hint);
}

void shm_lent_look(struct shm_conn *c)
{
    struct shm_lent *l = &c->lent;

    for (unsigned i = l->n; i-- > 0;) {
        _Atomic uint8_t *returned = &c->out.control->returned[l->ids[i]];

        if (!atomic_load_explicit(returned, memory_order_acquire))
            continue;
        atomic_store_explicit(returned, 0, memory_order_relaxed);
        take_back(l, i);
    }
}

void shm_lent_drop(struct shm_conn *c)
{
    while (c->lent.n)
        take_back(&c->lent, c->lent.n - 1);
}
