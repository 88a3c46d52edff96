/* The job file's `cluster` and `memory` sections: how many processes and
 * threads, who does what, how stale values may be, how the network is secured,
 * how much memory a server may take. Values of the command line are put into
 * the job's tree (yaml_set) before it is read, so that the effective job file
 * holds them too. */
#ifndef JOB_OPTIONS_H
#define JOB_OPTIONS_H

#include <stdint.h>

#include "base/affinity.h"
#include "base/fs.h"
#include "base/option.h"
#include "job/ports.h"

enum job_placement { JOB_PLACEMENT_AUTO, JOB_SPLIT, JOB_COLOCATED };
enum job_read { JOB_READ_FRESH, JOB_READ_EARLY };
enum job_security { JOB_SECURITY_AUTO, JOB_CURVE, JOB_OPEN };
enum job_transport { JOB_TRANSPORT_AUTO, JOB_ZMQ, JOB_SHM };

struct cluster_section {
    int64_t servers;       // server ranks; 0: choose
    int64_t threads;       // workers (shards) of a process; 0: choose
    int64_t staleness;     // units; -1: no bound
    int read;              // enum job_read
    int placement;         // enum job_placement
    const char *interface; // name or IPv4 address of it; "": choose
    const char *ports;     // range; "": any
    int security;          // enum job_security
    int transport;         // enum job_transport
    int bind;              // enum affinity_mode
    double hang_timeout;   // seconds
    int wire;              // enum encoding
    uint64_t cache;        // bytes of a worker process's kept rows; 0: none
    uint64_t cache_age;    // units they may lack; 0: as staleness says
    /* Bytes of messages under way, in a shard and a worker process each. */
    uint64_t message_memory;
    const char *placement_from; // run whose load places buckets; "": none
    struct yaml_node *durability;
};
extern const struct option_spec cluster_section_specs[];

struct memory_section {
    uint64_t per_server; // bytes of a server process; 0: no cap
    int when_full;       // enum store_when_full
    uint64_t idle;       // units; 0: rows stay
};
extern const struct option_spec memory_section_specs[];

struct job_options {
    struct cluster_section cluster;
    struct memory_section memory;
    struct port_range ports;
    uint32_t micro_batches; // most workers at staleness 0
    /* Not from the job file; the command line's. */
    const char *name;    // of the job, for the run directory; NULL: "job"
    const char *run_dir; // NULL: a fresh one under runs/
    int resume, quiet;
    char *made; // [FS_PATH_MAX] set to the run directory by the one process
                // that makes it, else left alone; NULL: not wanted
};

/** Fill *out from the job's tree; name, run_dir, resume and quiet become 0.
 * Texts point into the tree.
 * @return FUSOR_EUSAGE with file:line:column, also for what fusor does not
 * have: durability other than none */
enum fusor_status job_options_read(struct yaml *job, struct job_options *out,
                                   struct fusor_error *err);

#endif
