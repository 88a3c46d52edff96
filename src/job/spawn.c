/* exec of /proc/self/exe as `fusor role NAME --boot FD`. */
#include "job/spawn.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "job/link.h"

#define EXIT_NO_PROGRAM 127

static void keep_over_exec(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

/* In the child; async-signal-safe. */
static int start_role(void *context)
{
    struct spawn_role *r = context;
    char program[] = "fusor", word[] = "role", option[] = "--boot";
    char name[16];
    char *argv[] = {program, word, name, option, r->fd_text, NULL};

    memset(name, 0, sizeof(name));
    memcpy(name, role_name(r->role), strlen(role_name(r->role)));
    keep_over_exec(r->boot_fd);
    for (uint32_t i = 0; i < r->n_listeners; i++)
        keep_over_exec(r->listeners[i]);
    execv("/proc/self/exe", argv);
    return EXIT_NO_PROGRAM;
}

static enum fusor_status add_role(struct boot *boot, enum role_kind role,
                                  const struct bind *bind, int *listeners,
                                  uint32_t n, struct spawn *s,
                                  struct fusor_error *err)
{
    struct spawn_role *r = &s->roles[s->n];
    struct supervisor_child *c = &s->children[s->n];

    boot->role = role;
    boot->bind = bind_find(bind, boot->rank, role);
    boot->listeners = listeners;
    boot->n_listeners = n;
    FUSOR_TRY(boot_to_fd(boot, &r->boot_fd, err));
    r->role = role;
    r->listeners = listeners;
    r->n_listeners = n;
    snprintf(r->fd_text, sizeof(r->fd_text), "%d", r->boot_fd);
    boot_log_path(boot, role, r->log_path);
    boot_role_text(boot, role, c->name);
    c->log_path = r->log_path;
    c->start = start_role;
    c->context = r;
    s->n++;
    return FUSOR_OK;
}

enum fusor_status spawn_prepare(struct boot *boot, const struct bind *bind,
                                int *shard_listeners, int *coordinator_listener,
                                struct spawn *out, struct fusor_error *err)
{
    const struct placement_rank *place = &boot->ranks[boot->rank].place;
    enum fusor_status rc = FUSOR_OK;

    memset(out, 0, sizeof(*out));
    if (*coordinator_listener >= 0)
        rc = add_role(boot, ROLE_COORDINATOR, bind, coordinator_listener, 1,
                      out, err);
    if (rc == FUSOR_OK && place->is_server)
        rc = add_role(boot, ROLE_SERVER, bind, shard_listeners, place->n_shards,
                      out, err);
    if (rc == FUSOR_OK && place->is_worker)
        rc = add_role(boot, ROLE_WORKER, bind, NULL, 0, out, err);
    boot->bind = NULL;
    boot->listeners = NULL;
    boot->n_listeners = 0;
    if (rc != FUSOR_OK)
        spawn_clear(out);
    return rc;
}

void spawn_clear(struct spawn *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        close(s->roles[i].boot_fd);
    s->n = 0;
}

int spawn_report_death(const struct boot *boot, enum role_kind role,
                       const struct fusor_error *why)
{
    const struct placement_rank *place = &boot->ranks[boot->rank].place;
    struct peer self = {
        .kind = role == ROLE_SERVER ? PEER_SHARD : PEER_WORKER,
        .number = role == ROLE_SERVER ? place->first_shard : place->worker,
        .incarnation = boot->incarnation + 1,
    };
    struct link line;
    int heard;

    if (role == ROLE_COORDINATOR ||
        link_open(boot, self, NULL, -1, MESSENGER_MEMORY, &line, NULL) !=
            FUSOR_OK)
        return 0;
    heard = link_fail(&line, why);
    link_close(&line);
    return heard;
}
