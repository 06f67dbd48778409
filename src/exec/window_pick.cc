// Functions that hand on the value of another row: lag and lead, the first, last and nth row of a frame.
//
// With a filter or IGNORE NULLS only some rows count; they are numbered in order, so that "the third one before" is arithmetic.

#include <algorithm>
#include <vector>

#include <arrow/type.h>

#include "column/buffers.h"
#include "exec/window_frame.h"

namespace gristmill::exec {
namespace {

// The rows of a unit that count, numbered in order of position; everything counts unless a filter or a null says otherwise.
class Counted {
 public:
  static arrow::Result<Counted> make(const WindowTask& task, const WindowUnit& unit, bool ignore_nulls, arrow::MemoryPool* pool) {
    Counted c;
    c.first_ = unit.first;
    if (task.filter < 0 && !ignore_nulls) return c;
    const int64_t n = unit.last - unit.first;
    ARROW_ASSIGN_OR_RAISE(c.before_, column::allocate_buffer((n + 1) * 8, pool));
    ARROW_ASSIGN_OR_RAISE(c.positions_, column::allocate_buffer(n * 8, pool));
    Gathered filter, values;
    if (task.filter >= 0) {
      ARROW_ASSIGN_OR_RAISE(filter, gather(*unit.ordered, task.filter, unit.first, unit.last, pool));
    }
    if (ignore_nulls) {
      ARROW_ASSIGN_OR_RAISE(values, gather(*unit.ordered, task.args[0], unit.first, unit.last, pool));
    }
    const bool no_values = ignore_nulls && values.column.type()->id() == arrow::Type::NA;
    auto* const before = reinterpret_cast<int64_t*>(c.before_->mutable_data());
    auto* const positions = reinterpret_cast<int64_t*>(c.positions_->mutable_data());
    int64_t found = 0;
    for (int64_t i = 0; i < n; ++i) {
      before[i] = found;
      bool counts = !no_values;
      if (ignore_nulls) counts = counts && values.valid.valid(i);
      if (task.filter >= 0) {
        const arrow::ArrayData& d = *filter.column.values;
        counts = counts && filter.valid.valid(i) && column::bit_at(d.buffers[1]->data(), d.offset + i);
      }
      if (counts) positions[found++] = unit.first + i;
    }
    before[n] = found;
    return c;
  }

  int64_t before(int64_t position) const {  // how many that count lie before it
    return before_ ? reinterpret_cast<const int64_t*>(before_->data())[position - first_] : position - first_;
  }
  int64_t position(int64_t number) const {
    return positions_ ? reinterpret_cast<const int64_t*>(positions_->data())[number] : first_ + number;
  }
  bool counts(int64_t position) const { return before(position + 1) > before(position); }

 private:
  std::shared_ptr<arrow::Buffer> before_, positions_;
  int64_t first_ = 0;
};

}  // namespace

arrow::Status compute_neighbours(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  const OrderedRows& o = *unit.ordered;
  const int64_t back = task.function.number;
  const int64_t otherwise = task.args.size() > 1 ? WindowResult::kDefault : WindowResult::kNothing;
  if (!task.function.ignore_nulls || back == 0) {
    return for_partitions(unit, [&](const Partition& p) {
      for (int64_t i = p.begin; i < p.end; ++i) {
        const bool inside = back >= 0 ? i - p.first >= back : p.last - i > -back;
        out.pick(o.row(i), inside ? o.row(i - back) : otherwise);
      }
      return arrow::Status::OK();
    });
  }
  ARROW_ASSIGN_OR_RAISE(const Counted counted, Counted::make(task, unit, true, pool));
  return for_partitions(unit, [&](const Partition& p) {
    const int64_t least = counted.before(p.first), most = counted.before(p.last);
    for (int64_t i = p.begin; i < p.end; ++i) {
      const int64_t own = back > 0 ? counted.before(i) : counted.before(i + 1) - 1;
      const bool inside = back > 0 ? own - least >= back : most - own > -back;
      out.pick(o.row(i), inside ? o.row(counted.position(own - back)) : otherwise);
    }
    return arrow::Status::OK();
  });
}

arrow::Status compute_edges(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  const expr::BoundWindow& f = task.function;
  const bool from_end = f.function == "last_value" || f.function == "last";
  const int64_t wanted = f.function == "nth_value" ? f.number : 1;
  const OrderedRows& o = *unit.ordered;
  ARROW_ASSIGN_OR_RAISE(const Counted counted, Counted::make(task, unit, f.ignore_nulls, pool));
  ARROW_ASSIGN_OR_RAISE(const FrameKeys keys, FrameKeys::make(task, unit, pool));
  return for_partitions(unit, [&](const Partition& p) {
    Frames frames(task, keys, o, p);
    for (int64_t i = p.begin; i < p.end; ++i) {
      const FrameRow r = frames.next();
      const int64_t low = counted.before(r.low), high = counted.before(r.cut_high);
      const int64_t head = counted.before(r.cut_low) - low, tail = counted.before(r.high) - high;
      const bool self = r.self && counted.counts(i);
      int64_t k = from_end ? head + self + tail : wanted;
      int64_t from = WindowResult::kNothing;
      if (k > 0 && k <= head) {
        from = o.row(counted.position(low + k - 1));
      } else if (k -= head; self && k == 1) {
        from = o.row(i);
      } else if (k -= self; k > 0 && k <= tail) {
        from = o.row(counted.position(high + k - 1));
      }
      out.pick(o.row(i), from);
    }
    return arrow::Status::OK();
  });
}

}  // namespace gristmill::exec
