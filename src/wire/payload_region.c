/* A memfd that cannot change its size (memfd_create(2), F_ADD_SEALS), mapped
 * whole; its pages are made when they are touched. */
#define _GNU_SOURCE /* memfd_create, fallocate */
#include "wire/payload_region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/* A file over the limit of its size would cost a signal. */
static int may_be_so_large(size_t size)
{
    struct rlimit most;

    if (getrlimit(RLIMIT_FSIZE, &most) == 0 &&
        (most.rlim_cur == RLIM_INFINITY || most.rlim_cur >= size))
        return 1;
    errno = EFBIG;
    return 0;
}

enum fusor_status payload_region_make(size_t size, struct payload_region *out,
                                      struct fusor_error *err)
{
    void *base = MAP_FAILED;
    int fd = memfd_create("fusor-payloads", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    size = round_up(size, HUGE);
    if (fd >= 0 && may_be_so_large(size) && !ftruncate(fd, (off_t)size) &&
        !fcntl(fd, F_ADD_SEALS, SEALS))
        base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED) {
        if (fd >= 0)
            close(fd);
        return fusor_fail(err, FUSOR_ENOMEM,
                          "payloads: %zu bytes cannot be shared: %s", size,
                          strerror(errno));
    }
    madvise(base, size, MADV_DONTDUMP);
    *out = (struct payload_region){fd, base, size};
    return FUSOR_OK;
}

void payload_region_clear(struct payload_region *r)
{
    if (!r->base)
        return;
    munmap(r->base, r->size);
    close(r->fd);
    *r = (struct payload_region){.fd = -1};
}

void *payload_region_place(const struct payload_region *r, size_t *used,
                           size_t n)
{
    size_t at = round_up(*used, n >= HUGE ? HUGE : PAGE);

    if (!r->base || at > r->size || n > r->size - at)
        return NULL;
    *used = at + n;
    return r->base + at;
}

void payload_region_drop(const struct payload_region *r, void *at, size_t n)
{
    off_t offset = (off_t)((unsigned char *)at - r->base);

    (void)!fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                     (off_t)n);
}
