// Threads for callers that have no thread pool.

#ifndef ZOO_LAYERS_KERNELS_WORKERS_H_
#define ZOO_LAYERS_KERNELS_WORKERS_H_

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "threads.h"

namespace zoo {

// Threads that take tasks from a queue.
class Workers {
 public:
  ~Workers() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  // A pool of `count` threads, one of which is the caller.
  Pool pool(int count) {
    start(count - 1);
    return {count, [this](std::function<void()> task) {
              {
                std::lock_guard<std::mutex> lock(mutex_);
                tasks_.push_back(std::move(task));
              }
              ready_.notify_one();
            }};
  }

 private:
  void start(int count) {
    std::lock_guard<std::mutex> lock(mutex_);
    try {
      while (static_cast<int>(threads_.size()) < count) {
        threads_.emplace_back([this] { work(); });
      }
    } catch (const std::system_error&) {
      // The system has no more threads. Nothing waits for a thread that has not started.
    }
  }

  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        ready_.wait(lock, [&] { return stopped_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> tasks_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

// The workers of this process, which run until it ends. After a fork, the new process has none of
// its parent's threads, so it starts its own.
inline Workers& own_workers() {
  static Workers* workers = [] {
    pthread_atfork(nullptr, nullptr, [] { workers = new Workers; });
    return new Workers;
  }();
  return *workers;
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_WORKERS_H_
