// min and max of frames: of each part of a frame the candidates that a later value has not beaten, in order (a monotonic queue).
//
// Every position enters and leaves a queue once, so a partition costs linear time whatever its frames. Floats in the engine's total
// order, NaN greatest; what comes out is +0.0 and the one NaN.

#include <cmath>
#include <limits>
#include <vector>

#include <arrow/type.h>

#include "column/kernels.h"
#include "exec/window_frame.h"
#include "exec/window_sliding.h"

namespace gristmill::exec {
namespace {

// Positions, oldest first; those behind the front were not beaten by a later one.
class Queue {
 public:
  void clear() {
    positions_.clear();
    front_ = 0;
  }
  bool empty() const { return front_ == positions_.size(); }
  int64_t front() const { return positions_[front_]; }
  template <typename Better>  // Better(a, b): a stays before a later b
  void push(int64_t position, Better&& better) {
    while (!empty() && !better(positions_.back(), position)) positions_.pop_back();
    if (empty()) clear();
    positions_.push_back(position);
  }
  void leave(int64_t position) {
    if (!empty() && front() == position && ++front_ > kCompactAt && front_ * 2 > positions_.size()) {
      positions_.erase(positions_.begin(), positions_.begin() + static_cast<std::ptrdiff_t>(front_));
      front_ = 0;
    }
  }

 private:
  static constexpr size_t kCompactAt = 1024;
  std::vector<int64_t> positions_;
  size_t front_ = 0;
};

struct Inputs {
  const WindowTask& task;
  const WindowUnit& unit;
  const FrameKeys& keys;
  const Gathered& values;
  const Gathered* filter;

  bool counts(int64_t p) const {
    if (!values.is_valid(p)) return false;
    if (!filter) return true;
    const arrow::ArrayData& d = *filter->column.values;
    return filter->is_valid(p) && column::bit_at(d.buffers[1]->data(), d.offset + p - filter->base);
  }
};

// keeps(a, b): a is at least as good as b. give(row, position or -1).
template <typename Keeps, typename Give>
arrow::Status extremes(const Inputs& in, Keeps&& keeps, Give&& give) {
  Queue queue[2];
  const int64_t least = in.task.function.min_periods;
  int64_t counted = 0;
  return for_partitions(in.unit, [&](const Partition& p) {
    queue[0].clear();
    queue[1].clear();
    counted = 0;
    Frames frames(in.task, in.keys, *in.unit.ordered, p);
    follow_frames(
        frames, p, nullptr,
        [&](int w, int64_t i) {
          if (!in.counts(i)) return;
          queue[w].push(i, keeps);
          ++counted;
        },
        [&](int w, int64_t i) {
          queue[w].leave(i);
          counted -= in.counts(i);
        },
        [&](const FrameRow& r) {
          int64_t best = queue[0].empty() ? -1 : queue[0].front();
          const auto offer = [&](int64_t i) {
            if (best < 0 || !keeps(best, i)) best = i;
          };
          if (r.self && in.counts(r.position)) offer(r.position);
          if (!queue[1].empty()) offer(queue[1].front());
          give(in.unit.ordered->row(r.position), least > 1 && counted + (r.self && in.counts(r.position)) < least ? -1 : best);
        });
    return arrow::Status::OK();
  });
}

template <typename T>
bool before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return !std::isnan(a);
  }
  return a < b;
}

template <typename T>
arrow::Status of_numbers(const Inputs& in, bool greatest, WindowResult& out) {
  const T* const v = in.values.template values<T>();
  const auto give = [&](int64_t row, int64_t best) {
    if constexpr (std::is_floating_point_v<T>) {
      if (best < 0) {
        out.set<T>(row, 0);
        return out.set_null(row);
      }
      out.set<T>(row, std::isnan(v[best]) ? std::numeric_limits<T>::quiet_NaN() : v[best] + T{0});
    } else {
      out.pick(row, best < 0 ? WindowResult::kNothing : in.unit.ordered->row(best));
    }
  };
  if (greatest) return extremes(in, [v](int64_t a, int64_t b) { return !before(v[a], v[b]); }, give);
  return extremes(in, [v](int64_t a, int64_t b) { return !before(v[b], v[a]); }, give);
}

arrow::Status of_any(const Inputs& in, bool greatest, WindowResult& out) {
  const column::Column& c = in.values.column;
  const int64_t base = in.values.base;
  const auto give = [&](int64_t row, int64_t best) { out.pick(row, best < 0 ? WindowResult::kNothing : in.unit.ordered->row(best)); };
  const auto order = [&c, base](int64_t a, int64_t b) { return column::compare_rows(c, a - base, c, b - base); };
  if (greatest) return extremes(in, [&](int64_t a, int64_t b) { return order(a, b) >= 0; }, give);
  return extremes(in, [&](int64_t a, int64_t b) { return order(a, b) <= 0; }, give);
}

}  // namespace

arrow::Status compute_extremes(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  ARROW_ASSIGN_OR_RAISE(const FrameKeys keys, FrameKeys::make(task, unit, pool));
  const auto [from, to] = touched(task, unit);
  ARROW_ASSIGN_OR_RAISE(const Gathered values, gather(*unit.ordered, task.args[0], from, to, pool));
  Gathered filter;
  if (task.filter >= 0) {
    ARROW_ASSIGN_OR_RAISE(filter, gather(*unit.ordered, task.filter, from, to, pool));
  }
  if (compute_sliding_extremes(task, unit, values, task.filter >= 0 ? &filter : nullptr, out)) return arrow::Status::OK();
  const Inputs in{task, unit, keys, values, task.filter >= 0 ? &filter : nullptr};
  const bool greatest = task.function.function == "max";
  const column::Physical p = column::physical_unchecked(*values.column.type());
  if (p == column::Physical::kNull) {
    for (int64_t i = unit.begin; i < unit.end; ++i) out.pick(unit.ordered->row(i), WindowResult::kNothing);
    return arrow::Status::OK();
  }
  if (p == column::Physical::kBool || p == column::Physical::kView || p == column::Physical::kNested) return of_any(in, greatest, out);
  return column::visit_number(p, [&]<typename T>() { return of_numbers<T>(in, greatest, out); });
}

}  // namespace gristmill::exec
