/* The work of `fusor bench pull|push|latency|dense` done by ps-lite: one
 * scheduler, one server and one worker, processes of this host over TCP on
 * loopback, one request in flight.
 *
 *     pslite_driver pull|push|latency ROWS WIDTH DISTINCT REPEATS WARMUP
 *     pslite_driver dense BYTES 0 0 REPEATS WARMUP
 *
 * ps-lite wants keys sorted and without repeats, so the worker sorts the ids
 * with their places (std::sort of id << 32 | place), and copies values to, or
 * sums gradients from, each id's place. The server keeps rows in a flat table
 * found by open addressing, which is about nine times faster than the store
 * that comes with ps-lite, and takes one step of sgd. Buffers are handed over
 * without copies (ZPush, ZPull).
 *
 * Prints medians and 99th percentiles as JSON; sort_s is the part of a pull
 * that is sorting. */
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ps/ps.h"

namespace {

using ps::Key;
using Floats = ps::SArray<float>;

enum Command { kRows = 0, kDense = 1 };

struct Options {
  std::string what;
  size_t rows, width, distinct, dense;
  size_t repeats, warmup;
};

double Seconds() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* Rows by key, made on first touch. */
class Table {
 public:
  Table(size_t width, size_t expected) : width_(width), mask_(1) {
    while (mask_ < 2 * expected) mask_ *= 2;
    places_.assign(mask_, {0, 0});
    mask_--;
    values_.reserve((expected + 1) * width);
  }

  float* Row(Key key) {
    size_t at = Mix(key) & mask_;
    while (places_[at].row && places_[at].key != key) at = (at + 1) & mask_;
    if (!places_[at].row) {
      places_[at] = {key, ++n_};
      values_.resize(n_ * width_, 0.01f);
    }
    return values_.data() + (places_[at].row - 1) * width_;
  }

 private:
  struct Place {
    Key key;
    size_t row;  // + 1; 0: free
  };
  size_t width_, mask_, n_ = 0;
  std::vector<Place> places_;
  std::vector<float> values_;
};

class Server {
 public:
  explicit Server(const Options& o)
      : width_(o.width), table_(o.width, o.distinct), dense_(o.dense, 0.01f) {}

  void Handle(const ps::KVMeta& meta, const ps::KVPairs<float>& in,
              ps::KVServer<float>* server) {
    ps::KVPairs<float> out;

    if (meta.cmd == kDense)
      Dense(meta, in, &out);
    else
      Rows(meta, in, &out);
    server->Response(meta, out);
  }

 private:
  static constexpr float kRate = 0.01f;

  void Rows(const ps::KVMeta& meta, const ps::KVPairs<float>& in,
            ps::KVPairs<float>* out) {
    size_t n = in.keys.size();

    if (meta.push) {
      for (size_t i = 0; i < n; i++) {
        float* row = table_.Row(in.keys[i]);
        const float* g = in.vals.data() + i * width_;
        for (size_t k = 0; k < width_; k++) row[k] -= kRate * g[k];
      }
      return;
    }
    out->keys = in.keys;
    out->vals = Floats(new float[n * width_], n * width_, true);
    for (size_t i = 0; i < n; i++)
      memcpy(out->vals.data() + i * width_, table_.Row(in.keys[i]),
             width_ * sizeof(float));
  }

  void Dense(const ps::KVMeta& meta, const ps::KVPairs<float>& in,
             ps::KVPairs<float>* out) {
    size_t n = dense_.size();

    if (meta.push) {
      for (size_t i = 0; i < n; i++) dense_[i] -= kRate * in.vals[i];
      return;
    }
    out->keys = in.keys;
    out->vals = Floats(new float[n], n, true);
    memcpy(out->vals.data(), dense_.data(), n * sizeof(float));
  }

  size_t width_;
  Table table_;
  std::vector<float> dense_;
};

class Worker {
 public:
  explicit Worker(const Options& o)
      : o_(o),
        kv_(0, 0),
        places_(o.rows),
        key_of_(o.rows),
        batch_(o.rows * o.width),
        grads_(o.rows * o.width, 1e-3f) {}

  void Run() {
    bool pulls = o_.what != "push", pushes = o_.what != "pull";

    if (o_.dense)
      keys_ = ps::SArray<Key>(1, 0);
    else
      MakeRows();
    for (size_t i = 0; i < o_.warmup + o_.repeats; i++) {
      bool counts = i >= o_.warmup;
      double began;

      if (!o_.dense) DrawIds();
      began = Seconds();
      Pull();
      if (counts) pull_.push_back(Seconds() - began);
      began = Seconds();
      if (pushes) Push();
      if (counts) push_.push_back(Seconds() - began);
    }
    printf("{\"who\": \"ps-lite\", \"bench\": \"%s\"", o_.what.c_str());
    if (pulls) Print("pull", &pull_);
    if (pushes) Print("push", &push_);
    if (!o_.dense) printf(", \"sort_s\": %.9f", Quantile(&sort_, 0.5));
    printf("}\n");
    fflush(stdout);
  }

 private:
  void DrawIds() {
    for (size_t i = 0; i < o_.rows; i++) {
      state_ += 0x9e3779b97f4a7c15u;
      places_[i] = (Mix(state_) % o_.distinct) << 32 | i;
    }
  }

  /* As a worker must before each request. */
  void SortIds() {
    double began = Seconds();
    size_t n = 0;

    std::sort(places_.begin(), places_.end());
    if (keys_.size() < o_.rows) keys_.resize(o_.rows);
    for (uint64_t p : places_) {
      Key id = p >> 32;
      if (n == 0 || keys_[n - 1] != id) keys_[n++] = id;
      key_of_[p & 0xffffffff] = static_cast<uint32_t>(n - 1);
    }
    sent_ = keys_.segment(0, n);
    sort_.push_back(Seconds() - began);
  }

  void Pull() {
    if (o_.dense) {
      vals_.resize(o_.dense);
      kv_.Wait(kv_.ZPull(keys_, &vals_, nullptr, kDense));
      return;
    }
    SortIds();
    vals_.resize(sent_.size() * o_.width);
    kv_.Wait(kv_.ZPull(sent_, &vals_, nullptr, kRows));
    for (size_t i = 0; i < o_.rows; i++)
      memcpy(&batch_[i * o_.width], vals_.data() + key_of_[i] * o_.width,
             o_.width * sizeof(float));
  }

  void Push() {
    if (o_.dense) {
      if (sums_.size() == 0) sums_.resize(o_.dense, 1e-3f);
      kv_.Wait(kv_.ZPush(keys_, sums_, {}, kDense));
      return;
    }
    if (sums_.size() == 0) sums_.resize(o_.rows * o_.width);
    memset(sums_.data(), 0, sent_.size() * o_.width * sizeof(float));
    for (size_t i = 0; i < o_.rows; i++) {
      float* sum = sums_.data() + key_of_[i] * o_.width;
      for (size_t k = 0; k < o_.width; k++) sum[k] += grads_[i * o_.width + k];
    }
    kv_.Wait(kv_.ZPush(sent_, sums_.segment(0, sent_.size() * o_.width), {},
                       kRows));
  }

  /* Every id once, so that no request that is timed creates rows. */
  void MakeRows() {
    const size_t step = 65536;

    for (size_t at = 0; at < o_.distinct; at += step) {
      size_t n = std::min(step, o_.distinct - at);
      ps::SArray<Key> keys(n);
      Floats vals(n * o_.width);

      for (size_t i = 0; i < n; i++) keys[i] = at + i;
      kv_.Wait(kv_.ZPull(keys, &vals, nullptr, kRows));
    }
  }

  static double Quantile(std::vector<double>* x, double q) {
    size_t n = x->size();

    std::sort(x->begin(), x->end());
    if (q == 0.5) return ((*x)[(n - 1) / 2] + (*x)[n / 2]) / 2;
    return (*x)[std::min(n - 1, static_cast<size_t>(q * n))];
  }

  void Print(const char* name, std::vector<double>* x) {
    printf(", \"%s\": {\"p50_s\": %.9f, \"p99_s\": %.9f}", name,
           Quantile(x, 0.5), Quantile(x, 0.99));
  }

  Options o_;
  ps::KVWorker<float> kv_;
  uint64_t state_ = 1;
  std::vector<uint64_t> places_;   // id << 32 | place in the batch
  std::vector<uint32_t> key_of_;   // [rows] index of each place's key
  std::vector<float> batch_, grads_;
  ps::SArray<Key> keys_, sent_;
  Floats vals_, sums_;
  std::vector<double> pull_, push_, sort_;
};

void Play(const char* role, const Options& o) {
  setenv("DMLC_ROLE", role, 1);
  ps::StartAsync(0, "pslite_driver");
  if (!strcmp(role, "server")) {
    auto* kv = new ps::KVServer<float>(0);
    auto* server = new Server(o);
    using namespace std::placeholders;
    kv->set_request_handle(std::bind(&Server::Handle, server, _1, _2, _3));
    ps::RegisterExitCallback([kv, server]() {
      delete kv;
      delete server;
    });
  }
  if (!ps::Postoffice::Get()->is_recovery())
    ps::Postoffice::Get()->Barrier(
        0, ps::kWorkerGroup + ps::kServerGroup + ps::kScheduler);
  if (!strcmp(role, "worker")) Worker(o).Run();
  ps::Finalize(0, true);
}

}  // namespace

int main(int argc, char** argv) {
  const char* roles[] = {"scheduler", "server", "worker"};
  std::vector<pid_t> children;
  Options o;
  int failed = 0;

  if (argc != 7) {
    fprintf(stderr,
            "usage: pslite_driver pull|push|latency ROWS WIDTH DISTINCT "
            "REPEATS WARMUP\n"
            "       pslite_driver dense BYTES 0 0 REPEATS WARMUP\n");
    return 2;
  }
  o.what = argv[1];
  o.rows = strtoul(argv[2], nullptr, 10);
  o.width = strtoul(argv[3], nullptr, 10);
  o.distinct = strtoul(argv[4], nullptr, 10);
  o.repeats = std::max(1ul, strtoul(argv[5], nullptr, 10));
  o.warmup = strtoul(argv[6], nullptr, 10);
  o.dense = 0;
  if (o.what == "dense") {
    o.dense = o.rows / sizeof(float);
    o.rows = o.width = o.distinct = 0;
  }
  setenv("DMLC_NUM_SERVER", "1", 1);
  setenv("DMLC_NUM_WORKER", "1", 1);
  setenv("DMLC_PS_ROOT_URI", "127.0.0.1", 1);
  setenv("DMLC_NODE_HOST", "127.0.0.1", 1);
  setenv("DMLC_PS_ROOT_PORT",
         std::to_string(20000 + getpid() % 20000).c_str(), 1);
  for (const char* role : roles) {
    pid_t pid = fork();
    if (pid == 0) {
      Play(role, o);
      _exit(0);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status;
    waitpid(pid, &status, 0);
    failed |= status != 0;
  }
  return failed;
}
