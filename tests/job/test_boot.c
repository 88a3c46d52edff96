/* The boot record there and back, and damaged. */
#include "job/boot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"

static struct boot_rank ranks[3];
static struct boot_endpoint shards[2];
static int listeners[2] = {7, 9};
static char job_text[] = "train: {epochs: 3}\n";

static struct boot make(void)
{
    struct boot b = {
        .job = 0x0123456789abcdefu,
        .incarnation = 2,
        .rank = 1,
        .role = ROLE_SERVER,
        .secure = 1,
        .resume = 1,
        .build = "0.1.0-1",
        .run_dir = "runs/x",
        .n_ranks = 3,
        .n_shards = 2,
        .ranks = ranks,
        .shards = shards,
        .n_listeners = 2,
        .listeners = listeners,
        .job_text = job_text,
    };

    for (uint32_t r = 0; r < 3; r++) {
        snprintf(ranks[r].host, BOOT_HOST_MAX, "node%u", r);
        snprintf(ranks[r].kernel, BOOT_KERNEL_MAX, "Haswell/avx2");
        memset(ranks[r].public_key, 'a' + (int)r, TRANSPORT_KEY_SIZE - 1);
        ranks[r].place =
            (struct placement_rank){.is_worker = r != 1,
                                    .worker = r / 2,
                                    .n_threads = r == 1 ? 0 : 4,
                                    .first_thread = r == 2 ? 4 : 0};
    }
    ranks[1].place = (struct placement_rank){.is_server = 1, .n_shards = 2};
    snprintf(shards[0].text, sizeof(shards[0].text), "tcp://10.0.0.1:5000");
    snprintf(shards[1].text, sizeof(shards[1].text), "tcp://10.0.0.1:5001");
    snprintf(b.coordinator.text, sizeof(b.coordinator.text),
             "tcp://10.0.0.1:4999");
    memset(b.keys.public_key, 'P', TRANSPORT_KEY_SIZE - 1);
    memset(b.keys.secret_key, 'S', TRANSPORT_KEY_SIZE - 1);
    return b;
}

static uint16_t map[BUCKET_COUNT];
static struct affinity places;

static void all_fields_survive_an_anonymous_file(void)
{
    struct boot b = make(), got;
    int fd;

    for (uint32_t i = 0; i < BUCKET_COUNT; i++)
        map[i] = i % 3 == 0;
    b.bucket_map = map;
    snprintf(b.shm_key, sizeof(b.shm_key), "c0ffee");
    ranks[2].on_host = 5;
    places.n_threads = 2;
    places.cpus.word[MACHINE_WORDS - 1] = UINT64_MAX;
    places.threads[0].cpus.word[0] = 3;
    places.threads[1] = (struct affinity_place){{{0, 12}}, 7};
    b.bind = &places;
    REQUIRE(boot_to_fd(&b, &fd, NULL) == FUSOR_OK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    REQUIRE(boot_from_fd(fd, &got, NULL) == FUSOR_OK);
    CHECK(got.job == b.job && got.incarnation == 2 && got.rank == 1);
    CHECK(got.role == ROLE_SERVER && got.secure && got.resume && !got.quiet);
    CHECK(strcmp(got.build, b.build) == 0);
    CHECK(strcmp(got.shm_key, "c0ffee") == 0 && got.ranks[2].on_host == 5);
    CHECK(strcmp(got.run_dir, b.run_dir) == 0);
    CHECK(memcmp(&got.keys, &b.keys, sizeof(b.keys)) == 0);
    REQUIRE(got.n_ranks == 3 && got.n_shards == 2 && got.n_listeners == 2);
    CHECK(memcmp(got.ranks, ranks, sizeof(ranks)) == 0);
    CHECK(strcmp(got.shards[1].text, shards[1].text) == 0);
    CHECK(strcmp(got.coordinator.text, b.coordinator.text) == 0);
    REQUIRE(got.bucket_map != NULL);
    CHECK(!memcmp(got.bucket_map, map, sizeof(map)));
    CHECK(got.bind && !memcmp(got.bind, &places, sizeof(places)));
    CHECK(got.listeners[0] == 7 && got.listeners[1] == 9);
    CHECK(strcmp(got.job_text, job_text) == 0);
    boot_clear(&got);
    map[9] = 2; // of no shard
    REQUIRE(boot_to_fd(&b, &fd, NULL) == FUSOR_OK);
    CHECK(boot_from_fd(fd, &got, NULL) == FUSOR_EPROTO);
}

static void every_changed_or_missing_byte_is_refused(void)
{
    struct boot b = make(), got;
    struct strbuf bytes = {0};

    boot_encode(&b, &bytes);
    REQUIRE(!bytes.failed);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.s[i] ^= 1;
        CHECK(boot_decode(bytes.s, bytes.len, &got, NULL) == FUSOR_EPROTO);
        bytes.s[i] ^= 1;
        CHECK(boot_decode(bytes.s, i, &got, NULL) == FUSOR_EPROTO);
    }
    CHECK(boot_decode(bytes.s, bytes.len, &got, NULL) == FUSOR_OK);
    boot_clear(&got);
    strbuf_clear(&bytes);
}

static void exhausted_memory_is_an_error_and_leaks_nothing(void)
{
    struct boot b = make(), got;
    struct strbuf bytes = {0};
    size_t before;

    boot_encode(&b, &bytes);
    before = mem_used();
    for (long n = 1; n <= 4; n++) {
        mem_fail_after(n);
        CHECK(boot_decode(bytes.s, bytes.len, &got, NULL) != FUSOR_OK);
        mem_fail_after(0);
        CHECK(mem_used() == before);
    }
    strbuf_clear(&bytes);
}

static void numbers_lead_to_ranks(void)
{
    struct boot b = make();
    char text[TRANSPORT_ENDPOINT_MAX], path[FS_PATH_MAX], name[32];

    CHECK(boot_rank_of_shard(&b, 1) == 1);
    CHECK(boot_rank_of_worker(&b, 0) == 0);
    CHECK(boot_rank_of_worker(&b, 1) == 2);
    CHECK(boot_n_workers(&b) == 2);
    CHECK(boot_n_threads(&b) == 8);
    boot_log_path(&b, ROLE_SERVER, path);
    CHECK(strcmp(path, "runs/x/logs/server-0.log") == 0);
    boot_role_text(&b, ROLE_COORDINATOR, name);
    CHECK(strcmp(name, "coordinator") == 0);
    boot_address(&b, &shards[0], 1, text);
    CHECK(strncmp(text, "tcp://10.0.0.1:5000 bbbb", 24) == 0);
    b.secure = 0;
    boot_address(&b, &shards[0], 1, text);
    CHECK(strcmp(text, "tcp://10.0.0.1:5000") == 0);
}

static void ranks_of_one_host_are_near_when_there_is_a_key(void)
{
    struct boot b = make(), other;
    char text[SHM_TEXT_MAX], more[SHM_TEXT_MAX];

    ranks[0].on_host = 0;
    ranks[1].on_host = ranks[2].on_host = 1;
    CHECK(boot_uses_zmq(&b) && !boot_uses_shm(&b) && !boot_is_near(&b, 2));
    snprintf(b.shm_key, sizeof(b.shm_key), "c0ffee");
    CHECK(boot_uses_zmq(&b) && boot_uses_shm(&b));
    CHECK(!boot_is_near(&b, 0) && boot_is_near(&b, 1) && boot_is_near(&b, 2));
    boot_shm_address(&b, (struct peer){.kind = PEER_SHARD, .number = 1}, text);
    CHECK(transport_shm_is_text(text) && strstr(text, " c0ffee"));
    boot_shm_address(&b, (struct peer){.kind = PEER_COORDINATOR}, more);
    CHECK(strcmp(text, more) != 0);
    other = b;
    other.job++;
    boot_shm_address(&other, (struct peer){.kind = PEER_COORDINATOR}, text);
    CHECK(strcmp(text, more) != 0);
    ranks[1].on_host = ranks[2].on_host = 0;
    CHECK(!boot_uses_zmq(&b) && boot_is_near(&b, 0));
}

static void roles_have_names(void)
{
    enum role_kind role;

    CHECK(role_from_name("worker", &role) == 0 && role == ROLE_WORKER);
    CHECK(role_from_name("master", &role) != 0);
    CHECK(strcmp(role_name(ROLE_SERVER), "server") == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"all fields survive an anonymous file",
         all_fields_survive_an_anonymous_file},
        {"every changed or missing byte is refused",
         every_changed_or_missing_byte_is_refused},
        {"exhausted memory is an error and leaks nothing",
         exhausted_memory_is_an_error_and_leaks_nothing},
        {"numbers lead to ranks", numbers_lead_to_ranks},
        {"ranks of one host are near when there is a key",
         ranks_of_one_host_are_near_when_there_is_a_key},
        {"roles have names", roles_have_names},
    };
    return TEST_RUN("job.boot", cases);
}
