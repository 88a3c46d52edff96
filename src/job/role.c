/* Starts a role process: boot record, job file, log, then the role. */
#include "job/role.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

#define LOG_MODULE "job"
#include "base/log.h"

static const struct role *const roles[] = {&role_server, &role_worker,
                                           &role_coordinator};

uint64_t role_busy_ms(unsigned long thread)
{
    struct timespec used;
    clockid_t id;

    if (pthread_getcpuclockid((pthread_t)thread, &id) != 0 ||
        clock_gettime(id, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static enum fusor_status read_arguments(int argc, char **argv,
                                        enum role_kind *role, int64_t *fd,
                                        struct fusor_error *err)
{
    if (argc < 4 || strcmp(argv[argc - 2], "--boot") != 0 ||
        role_from_name(argv[argc - 3], role) != 0 ||
        str_to_i64(argv[argc - 1], fd) != 0 || *fd < 0 || *fd > INT32_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "`fusor role` is started by fusor itself, not by "
                          "hand: use fusor train");
    return FUSOR_OK;
}

static enum fusor_status open_log(const struct boot *b, struct fusor_error *err)
{
    char path[FS_PATH_MAX], name[32], prefix[48];

    boot_role_text(b, b->role, name);
    log_set_role(name);
    /* The coordinator speaks for the job. */
    snprintf(prefix, sizeof(prefix), "fusor%s%s",
             b->role == ROLE_COORDINATOR ? "" : ": ",
             b->role == ROLE_COORDINATOR ? "" : name);
    log_set_plain(prefix);
    log_set_level(LOG_WARN); // the terminal belongs to the banner and progress
    boot_log_path(b, b->role, path);
    /* On a host that does not share the run directory it is not there yet. */
    FUSOR_TRY(
        fs_mkdirs(fs_join((char[FS_PATH_MAX]){0}, b->run_dir, "logs"), err));
    return log_open(path, err);
}

static enum fusor_status run_job(const struct role *role, const struct boot *b,
                                 struct fusor_error *err)
{
    struct role_context c = {.boot = b};
    enum fusor_status rc;
    char most[16];

    FUSOR_TRY(
        yaml_parse(b->job_text, strlen(b->job_text), "job.yaml", &c.job, err));
    rc = job_options_read(c.job, &c.options, err);
    c.hang_ms = (int64_t)(c.options.cluster.hang_timeout * 1000);
    if (rc == FUSOR_OK) {
        log_info("started: job %016llx, incarnation %u, rank %u on %s",
                 (unsigned long long)b->job, b->incarnation, b->rank,
                 b->ranks[b->rank].host);
        if (affinity_leave(b->bind) != 0)
            log_warn("cannot bind this process: %s", strerror(errno));
        rc = role->run(&c, err);
        log_info("ends: %s; took at most %s of memory (%zu bytes)",
                 rc == FUSOR_OK ? "done" : fusor_status_text(rc),
                 str_bytes((double)mem_resident().most, most),
                 mem_resident().most);
    }
    yaml_destroy(c.job);
    return rc;
}

static enum fusor_status start(int argc, char **argv, struct boot *b,
                               struct fusor_error *err)
{
    enum role_kind kind;
    int64_t fd;

    FUSOR_TRY(read_arguments(argc, argv, &kind, &fd, err));
    FUSOR_TRY(boot_from_fd((int)fd, b, err));
    if (b->role != kind)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the boot record is for a %s, not for a %s",
                          role_name(b->role), role_name(kind));
    FUSOR_TRY(open_log(b, err));
    return run_job(roles[kind], b, err);
}

int job_role_main(int argc, char **argv)
{
    struct fusor_error err = {0};
    struct boot b = {0};
    enum fusor_status rc = start(argc, argv, &b, &err);

    if (rc != FUSOR_OK && err.text[0])
        log_error("%s", err.text);
    boot_clear(&b);
    log_close();
    return fusor_exit_code(rc);
}
