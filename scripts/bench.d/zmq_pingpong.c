/* The limit that ZeroMQ itself sets: the bytes of a request go to another
 * process over TCP on loopback, those of its answer come back, from and to
 * memory that is already there. Nothing is looked up, computed or copied.
 * Messages are cut into pieces of at most 1 MiB, as fusor's are.
 *
 *     zmq_pingpong BYTES_OUT BYTES_BACK REPEATS WARMUP
 *
 * Prints the median and the 99th percentile of a round trip as JSON. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#define PIECE ((size_t)1 << 20)

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "zmq_pingpong: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

static void keep(void *data, void *hint)
{
    (void)data;
    (void)hint;
}

/* One message after another, the last one shorter; at least one. */
static void send_all(void *socket, char *from, size_t size)
{
    do {
        size_t n = size < PIECE ? size : PIECE;
        zmq_msg_t m;

        check(zmq_msg_init_data(&m, from, n, keep, NULL) == 0, "message");
        check(zmq_msg_send(&m, socket, 0) >= 0, "send");
        from += n;
        size -= n;
    } while (size);
}

static void receive_all(void *socket, size_t size)
{
    size_t got = 0;

    do {
        zmq_msg_t m;

        zmq_msg_init(&m);
        check(zmq_msg_recv(&m, socket, 0) >= 0, "receive");
        got += zmq_msg_size(&m);
        zmq_msg_close(&m);
    } while (got < size);
}

static char *memory(size_t size)
{
    char *p = malloc(size + 1);

    check(p != NULL, "memory");
    memset(p, 1, size + 1);
    return p;
}

static void serve(int endpoint_pipe, size_t out, size_t back)
{
    char endpoint[256], *answer = memory(back);
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_PAIR);
    size_t size = sizeof(endpoint);

    check(zmq_bind(socket, "tcp://127.0.0.1:*") == 0, "bind");
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size);
    check(write(endpoint_pipe, endpoint, size) == (ssize_t)size, "pipe");
    for (;;) {
        receive_all(socket, out);
        send_all(socket, answer, back);
    }
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const char *endpoint, size_t out, size_t back,
                    size_t repeats, size_t warmup)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_PAIR);
    double *took = calloc(repeats, sizeof(*took));
    char *request = memory(out);

    check(took && zmq_connect(socket, endpoint) == 0, "connect");
    for (size_t i = 0; i < warmup + repeats; i++) {
        double began = seconds();

        send_all(socket, request, out);
        receive_all(socket, back);
        if (i >= warmup)
            took[i - warmup] = seconds() - began;
    }
    qsort(took, repeats, sizeof(*took), ascending);
    printf("{\"p50_s\": %.9f, \"p99_s\": %.9f}\n",
           (took[(repeats - 1) / 2] + took[repeats / 2]) / 2,
           took[(repeats * 99 + 99) / 100 - 1]);
    free(took);
    free(request);
}

int main(int argc, char **argv)
{
    char endpoint[256] = "";
    size_t n[4];
    int ends[2];
    pid_t server;

    if (argc != 5) {
        fprintf(stderr, "usage: zmq_pingpong BYTES_OUT BYTES_BACK REPEATS "
                        "WARMUP\n");
        return 2;
    }
    for (int i = 0; i < 4; i++)
        n[i] = strtoul(argv[i + 1], NULL, 10);
    if (n[2] == 0)
        n[2] = 1;
    check(pipe(ends) == 0, "pipe");
    server = fork();
    check(server >= 0, "fork");
    if (server == 0) {
        close(ends[0]);
        serve(ends[1], n[0], n[1]);
    }
    close(ends[1]);
    check(read(ends[0], endpoint, sizeof(endpoint) - 1) > 0, "server");
    measure(endpoint, n[0], n[1], n[2], n[3]);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
