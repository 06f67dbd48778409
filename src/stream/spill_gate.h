// Lets the state of an operator go to disk when memory is short.
//
// One thread works on the state at a time, inside(); a spill from another thread takes what is not in use just then. What the pool of the
// query does not see of the state (maps, queues) is counted here.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <arrow/result.h>

#include "base/memory_budget.h"
#include "exec/operator.h"

namespace gristmill::stream {

class SpillGate final : public base::Spillable {
 public:
  struct Size {
    int64_t unseen = 0;     // bytes that the pool does not see
    int64_t spillable = 0;  // bytes that would be free if all that can went to disk, whoever counts them
  };
  // `size` and `spill` (everything that can go) are called by whoever is inside. `name` outlives this.
  SpillGate(const char* name, const exec::QueryContext& context, std::function<Size()> size, std::function<arrow::Status()> spill)
      : name_(name), memory_(context.memory), eager_(context.spill_eagerly), size_(std::move(size)), spill_(std::move(spill)) {}
  ~SpillGate() override { close(); }
  SpillGate(const SpillGate&) = delete;
  SpillGate& operator=(const SpillGate&) = delete;
  arrow::Status open();

  // Runs `work`, for which there is room for `more` bytes; until it ends nobody else touches the state.
  template <typename F>
  arrow::Status inside(int64_t more, F&& work) {
    ARROW_RETURN_NOT_OK(enter(more));
    arrow::Status status = work();
    leave();
    return status;
  }
  // The same for work that only looks, from any thread that is not inside: nothing goes to disk for it.
  template <typename F>
  auto look(F&& work) const {
    std::lock_guard lock(mutex_);
    return work();
  }
  // By who is inside and adds to the state for long: all goes to disk where memory is short.
  arrow::Status make_room();

  int64_t bytes() const { return spillable_.load(std::memory_order_relaxed); }
  int64_t unseen() const { return unseen_bytes_.load(std::memory_order_relaxed); }
  int64_t spills() const { return spills_.load(std::memory_order_relaxed); }

  std::string spill_name() const override { return name_; }
  int64_t spillable_bytes() const override { return bytes(); }
  arrow::Result<int64_t> spill(int64_t bytes) override;

 private:
  void close();
  arrow::Status enter(int64_t more);
  void leave();
  void count();
  arrow::Status reserve();
  arrow::Status spill_all();

  const char* const name_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const bool eager_;
  const std::function<Size()> size_;
  const std::function<arrow::Status()> spill_;
  base::Reservation unseen_;
  std::atomic<int64_t> unseen_bytes_{0}, reserved_{0}, spillable_{0};
  std::atomic<int64_t> spills_{0};
  mutable std::mutex mutex_;
  std::atomic<std::thread::id> owner_{};
  bool open_ = false;
};

}  // namespace gristmill::stream
