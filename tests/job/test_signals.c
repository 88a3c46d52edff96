/* Signals read from a pipe. */
#include "job/signals.h"

#include <poll.h>
#include <unistd.h>

#include "harness.h"

static void a_signal_can_be_read_once(void)
{
    static const int list[] = {SIGUSR1, SIGTERM, 0};
    struct signals s;
    struct pollfd p;

    REQUIRE(signals_open(&s, list, NULL) == FUSOR_OK);
    CHECK(signals_take(&s) == 0);
    raise(SIGUSR1);
    p = (struct pollfd){s.fd, POLLIN, 0};
    CHECK(poll(&p, 1, 1000) == 1);
    CHECK(signals_take(&s) == SIGUSR1);
    CHECK(signals_take(&s) == 0);
    raise(SIGTERM);
    CHECK(signals_take(&s) == SIGTERM);
    signals_close(&s);
    signals_close(&s);
}

static void a_second_reader_is_refused(void)
{
    static const int list[] = {SIGUSR1, 0};
    struct signals a, b;

    REQUIRE(signals_open(&a, list, NULL) == FUSOR_OK);
    CHECK(signals_open(&b, list, NULL) == FUSOR_EINVAL);
    CHECK(b.fd == -1);
    signals_close(&b);
    signals_close(&a);
    REQUIRE(signals_open(&b, list, NULL) == FUSOR_OK);
    signals_close(&b);
}

static void the_old_meaning_comes_back(void)
{
    static const int list[] = {SIGUSR1, 0};
    struct sigaction now;
    struct signals s;

    signal(SIGUSR1, SIG_IGN);
    REQUIRE(signals_open(&s, list, NULL) == FUSOR_OK);
    signals_close(&s);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a signal can be read once", a_signal_can_be_read_once},
        {"a second reader is refused", a_second_reader_is_refused},
        {"the old meaning comes back", the_old_meaning_comes_back},
    };
    return TEST_RUN("job.signals", cases);
}
