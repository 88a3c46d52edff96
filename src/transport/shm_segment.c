/* Memory with two rings: a memfd, sealed so that nobody can shrink it under the
 * other side's feet (memfd_create(2), F_ADD_SEALS). */
#define _GNU_SOURCE /* memfd_create */
#include "transport/shm_endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_BYTES ((size_t)4096)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert(2 * sizeof(struct shm_control) <= CONTROL_BYTES,
               "both controls in one page");

static size_t segment_size(uint64_t capacity)
{
    return CONTROL_BYTES + 2 * (size_t)capacity;
}

static int map_whole(int fd, uint64_t capacity, struct shm_segment *out)
{
    size_t size = segment_size(capacity);
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (base == MAP_FAILED)
        return -1;
    *out = (struct shm_segment){base, size, capacity};
    return 0;
}

enum fusor_status shm_segment_make(uint64_t capacity, struct shm_segment *out,
                                   int *fd, struct fusor_error *err)
{
    int made = memfd_create("fusor-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (made < 0 || ftruncate(made, (off_t)segment_size(capacity)) ||
        map_whole(made, capacity, out) || fcntl(made, F_ADD_SEALS, SEALS)) {
        int code = errno;

        if (made >= 0)
            close(made);
        shm_segment_unmap(out);
        return fusor_fail(err, FUSOR_ENOMEM,
                          "shm: cannot share %zu bytes: %s: raise the limit, "
                          "or set cluster.transport: zmq",
                          segment_size(capacity), strerror(code));
    }
    *fd = made;
    return FUSOR_OK;
}

enum fusor_status shm_segment_map(int fd, uint64_t capacity,
                                  struct shm_segment *out,
                                  struct fusor_error *err)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (capacity < SHM_RING_MIN || capacity > SHM_RING_MAX ||
        (capacity & (capacity - 1)) || seals < 0 || !(seals & F_SEAL_SHRINK) ||
        fstat(fd, &st) || (uint64_t)st.st_size != segment_size(capacity))
        return fusor_fail(err, FUSOR_EPROTO,
                          "shm: what came is no sealed segment with rings of "
                          "%llu bytes",
                          (unsigned long long)capacity);
    if (map_whole(fd, capacity, out))
        return fusor_fail(err, FUSOR_ENOMEM, "shm: cannot map a segment: %s",
                          strerror(errno));
    return FUSOR_OK;
}

void shm_segment_unmap(struct shm_segment *s)
{
    if (s->base)
        munmap(s->base, s->size);
    *s = (struct shm_segment){0};
}

void shm_segment_rings(const struct shm_segment *s, int first,
                       struct shm_sender *out, struct shm_receiver *in)
{
    struct shm_control *controls = s->base;
    uint8_t *bytes = (uint8_t *)s->base + CONTROL_BYTES;
    int mine = first ? 0 : 1, other = 1 - mine;

    *out = (struct shm_sender){.control = &controls[mine],
                               .bytes = bytes + (size_t)mine * s->capacity,
                               .capacity = s->capacity};
    *in = (struct shm_receiver){.control = &controls[other],
                                .bytes = bytes + (size_t)other * s->capacity,
                                .capacity = s->capacity};
}
