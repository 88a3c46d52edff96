/* A single-producer single-consumer byte ring (Lamport 1983) whose indices are
 * checked, with sleeping and waking by flags in the order of Dekker: each side
 * writes its word, then reads the other's, all sequentially consistent (the
 * default of the operations below without an order). */
#include "transport/shm_ring.h"

#include <string.h>

#define RECORD_HEAD 8
#define WRAP UINT32_MAX     /* in place of the header's size */
#define LOAN 0x80000000u    /* with the payload's size: it is a note */
#define ALIGN_FROM 1024     /* payloads that begin at a line of their own */
#define HOT_BYTES (1 << 18) /* an empty ring is used again from its start */

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static uint64_t payload_offset(uint64_t header_size, uint64_t payload_size)
{
    return round_up(RECORD_HEAD + header_size,
                    payload_size >= ALIGN_FROM ? SHM_LINE : 8);
}

static uint64_t record_size(uint64_t header_size, uint64_t payload_size)
{
    return round_up(payload_offset(header_size, payload_size) + payload_size,
                    SHM_LINE);
}

static int tail_look(struct shm_sender *s)
{
    uint64_t tail = atomic_load(&s->control->tail);

    if (s->head - tail > s->capacity || tail % SHM_LINE)
        return -1;
    s->tail = tail;
    return 0;
}

/* How many bytes a record takes that is put now, with what it skips to stand in
 * one piece. Small traffic stays in the first pages, which stay in the cache.
 */
static uint64_t put_size(const struct shm_sender *s, uint64_t size)
{
    uint64_t at = s->head & (s->capacity - 1);
    int rewind = s->head == s->tail && at >= HOT_BYTES && at >= size;

    return at + size > s->capacity || rewind ? s->capacity - at + size : size;
}

/* Find room, asking the receiver for its index only when needed.
 * @return FUSOR_OK with *size the bytes to take, EAGAIN, EPROTO */
static enum fusor_status find_room(struct shm_sender *s, uint64_t record,
                                   uint64_t *size)
{
    int looks = 0;

    if ((s->head & (s->capacity - 1)) >= HOT_BYTES && tail_look(s))
        return FUSOR_EPROTO;
    for (;;) {
        *size = put_size(s, record);
        if (s->head - s->tail + *size <= s->capacity)
            return FUSOR_OK;
        if (looks == 2)
            return FUSOR_EAGAIN;
        if (looks == 1) {
            /* Say that we wait, then look once more: either we see the room
             * or the receiver sees us. */
            atomic_store(&s->control->full, 1);
        }
        if (tail_look(s))
            return FUSOR_EPROTO;
        looks++;
    }
}

static void write_sizes(uint8_t *at, uint32_t header, uint32_t payload)
{
    memcpy(at, &header, 4);
    memcpy(at + 4, &payload, 4);
}

static enum fusor_status put(struct shm_sender *s, const void *header,
                             size_t header_size, const void *data, uint64_t n,
                             uint32_t mark)
{
    uint64_t record = record_size(header_size, n), size;
    enum fusor_status rc = find_room(s, record, &size);
    uint8_t *at;

    if (rc != FUSOR_OK)
        return rc;
    at = s->bytes + (s->head & (s->capacity - 1));
    if (size != record) {
        write_sizes(at, WRAP, 0);
        at = s->bytes;
    }
    write_sizes(at, (uint32_t)header_size, (uint32_t)n | mark);
    memcpy(at + RECORD_HEAD, header, header_size);
    if (n)
        memcpy(at + payload_offset(header_size, n), data, n);
    s->head += size;
    atomic_store(&s->control->head, s->head);
    return FUSOR_OK;
}

enum fusor_status shm_sender_put(struct shm_sender *s, const void *header,
                                 size_t header_size,
                                 const struct payload *payload)
{
    return put(s, header, header_size, payload ? payload->data : NULL,
               payload ? payload->size : 0, 0);
}

enum fusor_status shm_sender_put_loan(struct shm_sender *s, const void *header,
                                      size_t header_size,
                                      const struct shm_loan_note *loan)
{
    return put(s, header, header_size, loan, sizeof(*loan), LOAN);
}

int shm_sender_must_wake(struct shm_sender *s)
{
    if (!atomic_load(&s->control->asleep))
        return 0;
    return atomic_exchange(&s->control->asleep, 0) != 0;
}

int shm_sender_has_room(const struct shm_sender *s)
{
    return !atomic_load(&s->control->full);
}

/* How many bytes wait.
 * @return 0, or -1: the sender's index makes no sense */
static int head_look(const struct shm_receiver *r, uint64_t *waiting)
{
    uint64_t head =
        atomic_load_explicit(&r->control->head, memory_order_acquire);

    *waiting = head - r->next;
    return *waiting > r->capacity || *waiting % SHM_LINE ? -1 : 0;
}

static void read_sizes(const uint8_t *at, uint32_t *header, uint32_t *payload)
{
    memcpy(header, at, 4);
    memcpy(payload, at + 4, 4);
}

enum fusor_status shm_receiver_take(struct shm_receiver *r,
                                    struct shm_record *out)
{
    uint64_t at = r->next & (r->capacity - 1), skip = 0, waiting, size;
    uint32_t header, payload;

    if (head_look(r, &waiting))
        return FUSOR_EPROTO;
    if (!waiting)
        return FUSOR_EAGAIN;
    read_sizes(r->bytes + at, &header, &payload);
    if (header == WRAP) {
        skip = r->capacity - at;
        at = 0;
        if (skip >= waiting)
            return FUSOR_EPROTO;
        read_sizes(r->bytes, &header, &payload);
    }
    out->is_loan = (payload & LOAN) != 0;
    payload &= ~LOAN;
    if (!header || header > WIRE_HEADER_MAX ||
        payload > TRANSPORT_PAYLOAD_MAX ||
        (out->is_loan && payload != sizeof(out->loan)))
        return FUSOR_EPROTO;
    size = record_size(header, payload);
    if (skip + size > waiting || at + size > r->capacity)
        return FUSOR_EPROTO;
    memcpy(out->header, r->bytes + at + RECORD_HEAD, header);
    out->header_size = header;
    out->payload = r->bytes + at + payload_offset(header, payload);
    out->payload_size = payload;
    if (out->is_loan)
        memcpy(&out->loan, out->payload, sizeof(out->loan));
    r->next += skip + size;
    return FUSOR_OK;
}

int shm_receiver_release(struct shm_receiver *r)
{
    uint64_t head;

    if (r->tail == r->next)
        return 0;
    r->tail = r->next;
    atomic_store(&r->control->tail, r->tail);
    if (!atomic_load(&r->control->full))
        return 0;
    /* Not for every record: who writes by halves is woken half as often. */
    head = atomic_load_explicit(&r->control->head, memory_order_relaxed);
    if (head - r->tail > r->capacity / 2)
        return 0;
    return atomic_exchange(&r->control->full, 0) != 0;
}

int shm_receiver_is_empty(const struct shm_receiver *r)
{
    return atomic_load(&r->control->head) == r->next;
}
