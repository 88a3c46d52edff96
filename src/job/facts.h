/* What the ranks tell each other when a job starts, and what follows from it:
 * pure functions of the gathered records, so that every rank comes to the same
 * conclusion. */
#ifndef JOB_FACTS_H
#define JOB_FACTS_H

#include "job/boot.h"

/* One rank's word whether it can go on. */
struct vote {
    uint32_t status; // enum fusor_status
    char text[480];
    char host[BOOT_HOST_MAX];
};

struct facts {
    char host[BOOT_HOST_MAX];
    char kernel[BOOT_KERNEL_MAX];
    char public_key[TRANSPORT_KEY_SIZE];
    uint64_t machine;  // same host name, kernel run and network: same host
    uint64_t job_hash; // of the effective job file
    struct machine_cpus cpus; // it may run on
    uint64_t job;             // rank 0's count
    char shm_key[SHM_KEY_MAX];
    uint32_t on_host; // number of the host: set by who has gathered all
    char run_dir[FS_PATH_MAX];
};

/** What this process can say about itself; job, job_hash, run_dir and keys are
 * left 0. */
void facts_collect(struct facts *out);
/** Name the program so that two that differ in one bit differ in name.
 * @param out the version and a hash of /proc/self/exe */
enum fusor_status facts_build(char out[BOOT_BUILD_MAX],
                              struct fusor_error *err);

/** @return FUSOR_OK when all can go on; else the first failure, with its rank
 * unless all have the same one */
enum fusor_status facts_judge_votes(const struct vote *votes, uint32_t n,
                                    struct fusor_error *err);
/** @param builds [n] */
enum fusor_status facts_check_builds(const char (*builds)[BOOT_BUILD_MAX],
                                     uint32_t n, struct fusor_error *err);
/** Same job file everywhere, and at staleness 0 the same kernels.
 * @return FUSOR_EUSAGE or FUSOR_ECLUSTER naming both hosts */
enum fusor_status facts_check(const struct facts *facts, uint32_t n,
                              int staleness, struct fusor_error *err);
/** Number the hosts in the order of their first rank.
 * @param seats [n] filled
 * @return how many hosts */
uint32_t facts_seats(const struct facts *facts, uint32_t n,
                     struct placement_seat *seats);

#endif
