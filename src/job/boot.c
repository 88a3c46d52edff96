/* What is read off a boot record, and how it is handed to a child. */
#define _GNU_SOURCE /* memfd_create */
#include "job/boot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

static const char *const role_names[] = {"server", "worker", "coordinator"};

const char *role_name(enum role_kind role)
{
    return role_names[role];
}

int role_from_name(const char *name, enum role_kind *out)
{
    for (int i = ROLE_SERVER; i <= ROLE_COORDINATOR; i++) {
        if (strcmp(name, role_names[i]) != 0)
            continue;
        *out = (enum role_kind)i;
        return 0;
    }
    return -1;
}

void boot_clear(struct boot *b)
{
    mem_free(b->ranks);
    mem_free(b->shards);
    mem_free(b->bucket_map);
    mem_free(b->bind);
    mem_free(b->listeners);
    mem_free(b->job_text);
    memset(b, 0, sizeof(*b));
}

enum fusor_status boot_to_fd(const struct boot *b, int *fd,
                             struct fusor_error *err)
{
    struct strbuf bytes = {0};
    enum fusor_status rc;
    int made;

    boot_encode(b, &bytes);
    if (bytes.failed || !bytes.s) {
        strbuf_clear(&bytes);
        return mem_fail(err, "boot record", sizeof(*b));
    }
    made = memfd_create("fusor-boot", MFD_CLOEXEC);
    if (made < 0)
        rc = fusor_fail(err, FUSOR_EIO, "memfd_create: %s", strerror(errno));
    else
        rc = fs_pwrite(made, bytes.s, bytes.len, 0, "boot record", err);
    strbuf_clear(&bytes);
    if (rc != FUSOR_OK && made >= 0)
        close(made);
    if (rc == FUSOR_OK)
        *fd = made;
    return rc;
}

enum fusor_status boot_from_fd(int fd, struct boot *out,
                               struct fusor_error *err)
{
    off_t size = lseek(fd, 0, SEEK_END);
    enum fusor_status rc;
    char *data;

    if (size < 0)
        return fusor_fail(err, FUSOR_EUSAGE, "boot record (descriptor %d): %s",
                          fd, strerror(errno));
    data = mem_alloc_raw((size_t)size + 1, 1);
    if (!data)
        return mem_fail(err, "boot record", (size_t)size);
    rc = fs_pread(fd, data, (size_t)size, 0, "boot record", err);
    if (rc == FUSOR_OK)
        rc = boot_decode(data, (size_t)size, out, err);
    mem_free(data);
    close(fd);
    return rc;
}

void boot_address(const struct boot *b, const struct boot_endpoint *e,
                  uint32_t rank, char out[TRANSPORT_ENDPOINT_MAX])
{
    snprintf(out, TRANSPORT_ENDPOINT_MAX, "%.*s%s%s",
             TRANSPORT_ENDPOINT_MAX - TRANSPORT_KEY_SIZE - 1, e->text,
             b->secure ? " " : "", b->secure ? b->ranks[rank].public_key : "");
}

void boot_shm_address(const struct boot *b, struct peer p,
                      char out[SHM_TEXT_MAX])
{
    uint64_t once = hash_bytes(b->shm_key, strlen(b->shm_key), b->job);

    snprintf(out, SHM_TEXT_MAX, "shm:fusor-%016llx-%s%u %s",
             (unsigned long long)once, p.kind == PEER_SHARD ? "shard" : "head",
             p.number, b->shm_key);
}

int boot_is_near(const struct boot *b, uint32_t rank)
{
    return b->shm_key[0] && b->ranks[rank].on_host == b->ranks[b->rank].on_host;
}

int boot_uses_shm(const struct boot *b)
{
    return b->shm_key[0] != '\0';
}

int boot_uses_zmq(const struct boot *b)
{
    for (uint32_t r = 0; r < b->n_ranks; r++)
        if (b->ranks[r].on_host != 0)
            return 1;
    return !boot_uses_shm(b);
}

uint32_t boot_rank_of_shard(const struct boot *b, uint32_t shard)
{
    uint32_t r = 0;

    while (r + 1 < b->n_ranks && (!b->ranks[r].place.is_server ||
                                  shard - b->ranks[r].place.first_shard >=
                                      b->ranks[r].place.n_shards))
        r++;
    return r;
}

uint32_t boot_rank_of_worker(const struct boot *b, uint32_t worker)
{
    uint32_t r = 0;

    while (r + 1 < b->n_ranks &&
           (!b->ranks[r].place.is_worker || b->ranks[r].place.worker != worker))
        r++;
    return r;
}

uint32_t boot_n_workers(const struct boot *b)
{
    uint32_t n = 0;

    for (uint32_t r = 0; r < b->n_ranks; r++)
        n += (uint32_t)b->ranks[r].place.is_worker;
    return n;
}

uint32_t boot_n_threads(const struct boot *b)
{
    uint32_t n = 0;

    for (uint32_t r = 0; r < b->n_ranks; r++)
        n += b->ranks[r].place.n_threads;
    return n;
}

static uint32_t role_number(const struct boot *b, enum role_kind role)
{
    const struct placement_rank *p = &b->ranks[b->rank].place;

    return role == ROLE_SERVER ? p->server : p->worker;
}

void boot_log_path(const struct boot *b, enum role_kind role,
                   char out[FS_PATH_MAX])
{
    char name[64];

    if (role == ROLE_COORDINATOR)
        snprintf(name, sizeof(name), "logs/coordinator.log");
    else
        snprintf(name, sizeof(name), "logs/%s-%u.log", role_name(role),
                 role_number(b, role));
    fs_join(out, b->run_dir, name);
}

void boot_role_text(const struct boot *b, enum role_kind role, char out[32])
{
    if (role == ROLE_COORDINATOR)
        snprintf(out, 32, "coordinator");
    else
        snprintf(out, 32, "%s %u", role_name(role), role_number(b, role));
}
