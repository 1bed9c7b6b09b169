// Parallel work in phases that never waits for a thread that has not started.

#ifndef ZOO_LAYERS_KERNELS_THREADS_H_
#define ZOO_LAYERS_KERNELS_THREADS_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

namespace zoo {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A thread pool: the number of threads, including the caller, and a function to schedule a task.
struct Pool {
  int threads = 1;
  std::function<void(std::function<void()>)> schedule;
};

// Work in phases, each with the same number of parts. A phase starts when all parts of the previous
// one are done. Each part belongs to one member, so that its data stays in the cache of one core.
// If that member is not running, another one takes over the part.
class Team {
 public:
  explicit Team(int size) : size_(size), parts_(size > 1 ? new Part[size] : nullptr) {}

  // One thread's progress through the phases. All members go through the same phases. A member that
  // starts late finds phases done and catches up, so outside of `each` it must not touch anything
  // that other members write.
  class Member {
   public:
    Member(Team& team, int own) : team_(team), own_(own) {}
    int size() const { return team_.size_; }

    // One phase: runs fn(0) ... fn(size - 1), each once, on any member. Returns when all are done.
    template <class F>
    void each(const F& fn) {
      const int n = size();
      if (n == 1) return fn(0);
      for (int i = 0; i < n; ++i) team_.finish((own_ + i) % n, phase_, i > 0, fn);
      ++phase_;
    }

   private:
    Team& team_;
    int own_;
    uint32_t phase_ = 0;
  };

 private:
  // Both count phases. The other members poll `done`, so it has its own cache line: the only one
  // that moves between cores in a phase.
  struct Part {
    alignas(64) std::atomic<uint32_t> taken{0};
    // Twice the number of phases done, plus 1 if a guest, not the owner, did the last one.
    alignas(64) std::atomic<uint64_t> done{1};
  };

  // Runs the part's phase unless another thread has taken it, and returns when it is done.
  template <class F>
  void finish(int index, uint32_t phase, bool guest, const F& fn) {
    Part& part = parts_[index];
    for (int spin = 0;; ++spin) {
      const uint64_t done = part.done.load(std::memory_order_acquire);
      if (done >> 1 > phase) return;
      // A guest first gives the owner time to arrive, unless the owner missed the last phase.
      if (!guest || (done & 1) || spin > 1000) {
        uint32_t expected = phase;
        if (part.taken.load(std::memory_order_relaxed) == phase &&
            part.taken.compare_exchange_strong(expected, phase + 1)) {
          fn(index);
          part.done.store(2 * (uint64_t{phase} + 1) + guest, std::memory_order_release);
          return;
        }
      }
      // The thread that took the part may be waiting for this core.
      if (spin < 2000) {
        relax();
      } else if (spin < 3000) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
  }

  int size_;
  std::unique_ptr<Part[]> parts_;
};

// Runs (*work)(member) here and on up to `size` - 1 threads of the pool, and returns when all its
// phases are done. Tasks hold only a weak pointer: a pool thread that starts later finds no work,
// and a busy pool does not keep the work's memory alive.
template <class Work>
void run_in_team(const Pool& pool, int size, std::shared_ptr<const Work> work) {
  auto team = std::make_shared<Team>(size);
  for (int i = 1; i < std::min(size, pool.threads); ++i) {
    pool.schedule([team, work = std::weak_ptr<const Work>(work), i] {
      Team::Member member(*team, i);
      if (const auto mine = work.lock()) (*mine)(member);
    });
  }
  Team::Member caller(*team, 0);
  (*work)(caller);
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_THREADS_H_
