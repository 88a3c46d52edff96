/* The self-pipe of D. J. Bernstein: a handler may call write(2) and little
 * else. */
#define _GNU_SOURCE /* pipe2 */
#include "job/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int pipe_of_process = -1; // where the handler writes

static void on_signal(int number)
{
    unsigned char byte = (unsigned char)number;
    int before = errno;

    /* A full pipe already tells enough. */
    (void)!write(atomic_load(&pipe_of_process), &byte, 1);
    errno = before;
}

static enum fusor_status make_pipe(struct signals *s, struct fusor_error *err)
{
    int ends[2], none = -1;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return fusor_fail(err, FUSOR_EIO, "pipe: %s", strerror(errno));
    if (!atomic_compare_exchange_strong(&pipe_of_process, &none, ends[1])) {
        close(ends[0]);
        close(ends[1]);
        return fusor_fail(err, FUSOR_EINVAL, "signals are read already");
    }
    s->fd = ends[0];
    s->write_fd = ends[1];
    return FUSOR_OK;
}

enum fusor_status signals_open(struct signals *s, const int *list,
                               struct fusor_error *err)
{
    struct sigaction action = {.sa_flags = SA_RESTART | SA_NOCLDSTOP};

    memset(s, 0, sizeof(*s));
    s->fd = -1;
    FUSOR_TRY(make_pipe(s, err));
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (; *list && s->n < SIGNALS_MAX; list++) {
        s->numbers[s->n] = *list;
        sigaction(*list, &action, &s->before[s->n]);
        s->n++;
    }
    return FUSOR_OK;
}

int signals_take(struct signals *s)
{
    unsigned char byte;

    return read(s->fd, &byte, 1) == 1 ? byte : 0;
}

void signals_restore(const struct signals *s)
{
    for (int i = 0; i < s->n; i++)
        sigaction(s->numbers[i], &s->before[i], NULL);
}

void signals_close(struct signals *s)
{
    if (s->fd < 0)
        return;
    signals_restore(s);
    atomic_store(&pipe_of_process, -1);
    close(s->fd);
    close(s->write_fd);
    s->fd = -1;
}
