// Floats become integers of the same order (for min, of the opposite one), so that the greatest is wanted; what does not count is less
// than all. The greatest of 2, 4, 8, ... places from each on are two of the half that many; a frame of w rows is two of those that overlap.

#include "exec/window_sliding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include <arrow/type.h>

namespace gristmill::exec {
namespace {

using expr::FrameEdge;

constexpr int64_t kWidestSlide = 64;
constexpr int64_t kSlideRows = 1024;
constexpr int64_t kSlideNone = std::numeric_limits<int64_t>::min();
constexpr int64_t kSlideNan = std::numeric_limits<int64_t>::max() - 1;  // greatest, and its opposite is not kSlideNone

int64_t slide_code(double v) {
  if (std::isnan(v)) return kSlideNan;
  const auto bits = std::bit_cast<int64_t>(v + 0.0);  // -0.0 and 0.0 are equal
  return bits ^ ((bits >> 63) & std::numeric_limits<int64_t>::max());
}

double slide_value(int64_t code) {
  if (code == kSlideNan) return std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<double>(code ^ ((code >> 63) & std::numeric_limits<int64_t>::max()));
}

// The greatest of places[i .. i + width) for the first n places, in place.
void slide(int64_t* places, int64_t n, int64_t width) {
  int64_t covered = 1;
  for (; covered * 2 <= width; covered *= 2) {
    const int64_t end = n + width - 2 * covered;
    for (int64_t i = 0; i < end; ++i) places[i] = std::max(places[i], places[i + covered]);
  }
  if (covered == width) return;
  for (int64_t i = 0; i < n; ++i) places[i] = std::max(places[i], places[i + width - covered]);
}

int64_t slide_offset(const expr::BoundEdge& e) {
  const int64_t rows = e.edge == FrameEdge::kCurrentRow ? 0 : std::min(e.rows, int64_t{1} << 40);
  return e.edge == FrameEdge::kPreceding ? -rows : rows;
}

bool endless(const expr::BoundEdge& e) { return e.edge == FrameEdge::kUnboundedPreceding || e.edge == FrameEdge::kUnboundedFollowing; }

template <typename T>
class Sliding {
 public:
  Sliding(const WindowTask& task, const WindowUnit& unit, const Gathered& values, const Gathered* filter, WindowResult& out)
      : values_(values),
        filter_(filter),
        rows_(unit.ordered->rows),
        out_(out),
        start_(slide_offset(task.function.start)),
        width_(slide_offset(task.function.end) - start_ + 1),
        least_(std::max<int64_t>(task.function.min_periods, 1)),
        opposite_(task.function.function == "min" ? -1 : 0) {}

  void block(const Partition& p, int64_t at, int64_t n) {
    int64_t places[kSlideRows + kWidestSlide], counts[kSlideRows + kWidestSlide + 1];
    const int64_t reach = n + width_ - 1, from = at + start_;
    const T* const v = values_.values<T>();
    const bool all = !values_.valid.bits && !filter_;
    counts[0] = 0;
    for (int64_t k = 0; k < reach; ++k) {
      const int64_t i = from + k;
      const bool there = i >= p.first && i < p.last && (all || counts_at(i));
      places[k] = there ? slide_code(static_cast<double>(v[i])) ^ opposite_ : kSlideNone;
      counts[k + 1] = counts[k] + there;
    }
    slide(places, n, width_);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = rows_ ? rows_[at + i] : at + i;
      const bool enough = counts[i + width_] - counts[i] >= least_;
      out_.set<T>(row, enough ? static_cast<T>(slide_value(places[i] ^ opposite_)) : T{0});
      if (!enough) out_.set_null(row);
    }
  }

 private:
  bool counts_at(int64_t i) const {
    if (!values_.is_valid(i)) return false;
    if (!filter_) return true;
    const arrow::ArrayData& d = *filter_->column.values;
    return filter_->is_valid(i) && column::bit_at(d.buffers[1]->data(), d.offset + i - filter_->base);
  }

  const Gathered& values_;
  const Gathered* const filter_;
  const int64_t* const rows_;
  WindowResult& out_;
  const int64_t start_, width_, least_, opposite_;
};

template <typename T>
void slide_partitions(const WindowTask& task, const WindowUnit& unit, const Gathered& values, const Gathered* filter, WindowResult& out) {
  Sliding<T> sliding(task, unit, values, filter, out);
  (void)for_partitions(unit, [&](const Partition& p) {
    for (int64_t at = p.begin; at < p.end; at += kSlideRows) sliding.block(p, at, std::min(kSlideRows, p.end - at));
    return arrow::Status::OK();
  });
}

}  // namespace

bool compute_sliding_extremes(const WindowTask& task, const WindowUnit& unit, const Gathered& values, const Gathered* filter,
                              WindowResult& out) {
  const expr::BoundWindow& f = task.function;
  if (f.mode != expr::FrameMode::kRows || f.exclude != expr::FrameExclude::kNothing || endless(f.start) || endless(f.end)) return false;
  const int64_t width = slide_offset(f.end) - slide_offset(f.start) + 1;
  if (width < 1 || width > kWidestSlide) return false;
  const arrow::Type::type type = values.column.type()->id();
  if (type == arrow::Type::DOUBLE) {
    slide_partitions<double>(task, unit, values, filter, out);
  } else if (type == arrow::Type::FLOAT) {
    slide_partitions<float>(task, unit, values, filter, out);
  } else {
    return false;
  }
  return true;
}

}  // namespace gristmill::exec
