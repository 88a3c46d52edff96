/* Unix sockets of abstract names: where endpoints meet. Packets carry
 * descriptors (SCM_RIGHTS), the kernel says who is on the other side
 * (SO_PEERCRED; see unix(7)). */
#define _GNU_SOURCE /* struct ucred, accept4 */
#include "transport/shm_endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "shm:"
#define BACKLOG 1024
#define FDS_MAX 3

int transport_shm_is_text(const char *endpoint)
{
    return strncmp(endpoint, PREFIX, strlen(PREFIX)) == 0;
}

enum fusor_status shm_address_parse(const char *text, struct shm_address *out,
                                    struct fusor_error *err)
{
    const char *name = text + strlen(PREFIX), *key;
    struct shm_address a = {.name = {.sun_family = AF_UNIX}};
    size_t n;

    if (!transport_shm_is_text(text))
        name = "";
    n = strcspn(name, " ");
    key = name + n + strspn(name + n, " ");
    if (!n || n + 1 >= sizeof(a.name.sun_path) || strlen(key) >= SHM_KEY_MAX)
        return fusor_fail(err, FUSOR_EINVAL,
                          "endpoint \"%.80s\" is not \"shm:NAME\" or "
                          "\"shm:NAME KEY\" with a name of at most %zu and a "
                          "key of at most %d characters",
                          text, sizeof(a.name.sun_path) - 2, SHM_KEY_MAX - 1);
    memcpy(a.name.sun_path + 1, name, n); // behind a NUL: abstract
    a.name_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
    snprintf(a.key, sizeof(a.key), "%s", key);
    snprintf(a.text, sizeof(a.text), PREFIX "%.*s", (int)n, name);
    *out = a;
    return FUSOR_OK;
}

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

enum fusor_status shm_listen(const struct shm_address *at, int *fd,
                             struct fusor_error *err)
{
    int made = make_socket(), code;

    if (made >= 0 &&
        !bind(made, (const struct sockaddr *)&at->name, at->name_size) &&
        !listen(made, BACKLOG)) {
        *fd = made;
        return FUSOR_OK;
    }
    code = errno;
    if (made >= 0)
        close(made);
    return fusor_fail(
        err, FUSOR_ECLUSTER, "cannot listen on %s: %s%s", at->text,
        strerror(code),
        code == EADDRINUSE ? ": end the process that holds it (ss -xlp)" : "");
}

int shm_is_ours(int fd)
{
    struct ucred who;
    socklen_t size = sizeof(who);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) &&
           who.uid == getuid();
}

int shm_dial(const struct shm_address *at)
{
    int fd = make_socket();

    if (fd < 0)
        return -1;
    if (!connect(fd, (const struct sockaddr *)&at->name, at->name_size) &&
        shm_is_ours(fd))
        return fd;
    close(fd);
    return -1;
}

union fd_space { // aligned as the macros want it
    struct cmsghdr head;
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

int shm_packet_send(int fd, const void *data, size_t size, const int *fds,
                    size_t n_fds)
{
    union fd_space space = {0};
    struct iovec v = {(void *)(uintptr_t)data, size};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

    if (n_fds) {
        struct cmsghdr *c;

        m.msg_control = space.bytes;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size ? 0
                                                                         : -1;
}

/* Take the descriptors out of a packet. @return how many */
static size_t take_fds(struct msghdr *m, int fds[FDS_MAX])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    size_t n;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return 0;
    n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(c), n * sizeof(int)); // at most FDS_MAX have space
    return n;
}

int shm_packet_take(int fd, void *data, size_t size, int *fds, size_t n_fds)
{
    union fd_space space = {0};
    struct iovec v = {data, size};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = space.bytes,
                       .msg_controllen = sizeof(space.bytes)};
    ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int came[FDS_MAX];
    size_t n;

    /* Said before what was sent: the other side left a knock unread. */
    if (got < 0 && errno == ECONNRESET)
        got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    n = take_fds(&m, came);
    if (got == (ssize_t)size && (n == n_fds || !n) &&
        !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        for (size_t i = 0; i < n_fds; i++)
            fds[i] = n ? came[i] : -1;
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        close(came[i]);
    return -1;
}
