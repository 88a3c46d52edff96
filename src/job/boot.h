/* The boot record: everything a role process needs to know, handed to it by its
 * supervisor through an anonymous file (memfd), because it holds a secret key.
 * Bytes: magic, version, size, checksum, then the fields; anything odd is
 * refused.
 *
 * A boot owns nothing but what boot_decode() allocated; a supervisor fills one
 * with borrowed arrays. */
#ifndef JOB_BOOT_H
#define JOB_BOOT_H

#include <stdint.h>

#include "base/fs.h"
#include "base/str.h"
#include "job/placement.h"
#include "transport/shm.h"
#include "transport/zmq.h"

#define BOOT_VERSION 4
#define BOOT_HOST_MAX 64
#define BOOT_KERNEL_MAX 48
#define BOOT_BUILD_MAX 32

enum role_kind { ROLE_SERVER, ROLE_WORKER, ROLE_COORDINATOR };

/* A rank as all others know it. */
struct boot_rank {
    char host[BOOT_HOST_MAX];
    char kernel[BOOT_KERNEL_MAX]; // BLAS kernels and vector level
    char public_key[TRANSPORT_KEY_SIZE];
    uint32_t on_host; // hosts are numbered in the order of their first rank
    struct placement_rank place;
};

struct boot_endpoint {
    char text[TRANSPORT_ENDPOINT_MAX]; // tcp://address:port
};

struct boot {
    uint64_t job;
    uint32_t incarnation;
    uint32_t rank; // this process's
    enum role_kind role;
    int secure; // CURVE
    int resume, quiet;
    char build[BOOT_BUILD_MAX];
    char run_dir[FS_PATH_MAX];
    struct transport_keypair keys; // of this rank
    char shm_key[SHM_KEY_MAX];     // of shared memory; "": none is used

    uint32_t n_ranks, n_shards;
    struct boot_rank *ranks;      // [n_ranks]
    struct boot_endpoint *shards; // [n_shards]
    uint16_t *bucket_map;         // [BUCKET_COUNT]; NULL: the default one
    struct boot_endpoint coordinator;
    struct affinity *bind; // of the process; NULL: nothing is bound
    uint32_t n_listeners;
    int *listeners; // [n_listeners] descriptors: a server process's, one a
                    // shard; the coordinator's
    char *job_text; // effective job file
};

/** Write all of it as bytes, appended to out. */
void boot_encode(const struct boot *b, struct strbuf *out);
/** @return FUSOR_EPROTO: no boot record of this version, or damaged;
 * FUSOR_ENOMEM. On FUSOR_OK free with boot_clear(). */
enum fusor_status boot_decode(const void *data, size_t size, struct boot *out,
                              struct fusor_error *err);
void boot_clear(struct boot *b);

/** Write the record into an anonymous file and rewind it.
 * @return FUSOR_OK with *fd (close-on-exec) the caller's */
enum fusor_status boot_to_fd(const struct boot *b, int *fd,
                             struct fusor_error *err);
/** Read the record and close fd. */
enum fusor_status boot_from_fd(int fd, struct boot *out,
                               struct fusor_error *err);

/** "server", "worker", "coordinator". */
const char *role_name(enum role_kind role);
/** @return 0, or -1: no such role */
int role_from_name(const char *name, enum role_kind *out);

/** Where to connect to an endpoint of a rank over ZeroMQ: with its key when
 * secure. */
void boot_address(const struct boot *b, const struct boot_endpoint *e,
                  uint32_t rank, char out[TRANSPORT_ENDPOINT_MAX]);
/** Where this shard or the coordinator is in shared memory. */
void boot_shm_address(const struct boot *b, struct peer p,
                      char out[SHM_TEXT_MAX]);
/** Do this rank and that one speak through shared memory? */
int boot_is_near(const struct boot *b, uint32_t rank);
/** Do some ranks, or all of them? */
int boot_uses_shm(const struct boot *b);
int boot_uses_zmq(const struct boot *b);
/** The rank that runs this shard, or this worker process. */
uint32_t boot_rank_of_shard(const struct boot *b, uint32_t shard);
uint32_t boot_rank_of_worker(const struct boot *b, uint32_t worker);
/** Sums over the ranks: worker processes, compute threads. */
uint32_t boot_n_workers(const struct boot *b);
uint32_t boot_n_threads(const struct boot *b);
/** Log file of a role process: run_dir/logs/worker-3.log. */
void boot_log_path(const struct boot *b, enum role_kind role,
                   char out[FS_PATH_MAX]);
/** What a role process is called: "worker 3", "coordinator". */
void boot_role_text(const struct boot *b, enum role_kind role, char out[32]);

#endif
