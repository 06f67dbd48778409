// Functions of a row's place in its partition: row_number, the ranks, percent_rank, cume_dist, ntile.
//
// Peers share a rank. What a partition's middle needs of the rows before it is found by looking back in the marks.

#include "exec/window_unit.h"

namespace gristmill::exec {
namespace {

arrow::Status row_numbers(const WindowUnit& unit, WindowResult& out) {
  const int64_t before = unit.carry ? unit.carry->rows : 0;
  return for_partitions(unit, [&](const Partition& p) {
    for (int64_t i = p.begin; i < p.end; ++i) out.set<int64_t>(unit.ordered->row(i), i - p.first + 1 + before);
    return arrow::Status::OK();
  });
}

// The first `n mod buckets` buckets have one row more.
arrow::Status ntiles(const WindowTask& task, const WindowUnit& unit, WindowResult& out) {
  return for_partitions(unit, [&](const Partition& p) {
    const int64_t n = p.last - p.first, buckets = task.function.number, small = n / buckets, large = n % buckets;
    for (int64_t i = p.begin; i < p.end; ++i) {
      const int64_t at = i - p.first, in_large = large * (small + 1);
      out.set<int64_t>(unit.ordered->row(i), at < in_large ? at / (small + 1) + 1 : (at - in_large) / small + large + 1);
    }
    return arrow::Status::OK();
  });
}

// value(partition, peers begin, peers end, number of groups before) for each group of peers.
template <typename T, typename Value>
arrow::Status by_peers(const WindowTask& task, const WindowUnit& unit, bool count_groups, WindowResult& out, Value&& value) {
  const OrderedRows& o = *unit.ordered;
  return for_partitions(unit, [&](const Partition& p) {
    int64_t begin = p.begin, groups = 0;
    if (task.all_peers) {
      begin = p.first;
    } else {
      while (begin > p.first && !o.starts(begin, kPeerStart)) --begin;
      for (int64_t i = p.first + 1; count_groups && i <= begin; ++i) groups += o.starts(i, kPeerStart);
      // The group that began last among the rows that have left is not over unless the first row here begins one.
      if (unit.carry && unit.carry->rows > 0) groups += unit.carry->groups - (o.starts(p.first, kPeerStart) ? 0 : 1);
    }
    for (int64_t at = p.begin; at < p.end; ++groups) {
      int64_t end = task.all_peers ? p.last : at + 1;
      while (end < p.last && !o.starts(end, kPeerStart)) ++end;
      const T v = value(p, begin, end, groups);
      for (const int64_t stop = std::min(end, p.end); at < stop; ++at) out.set<T>(o.row(at), v);
      begin = end;
    }
    return arrow::Status::OK();
  });
}

}  // namespace

arrow::Status compute_ranks(const WindowTask& task, const WindowUnit& unit, WindowResult& out) {
  const std::string& f = task.function.function;
  if (f == "row_number") return row_numbers(unit, out);
  if (f == "ntile") return ntiles(task, unit, out);
  if (f == "rank") {
    const int64_t before = unit.carry ? unit.carry->rows : 0;
    return by_peers<int64_t>(task, unit, false, out,
                             [before](const Partition& p, int64_t b, int64_t, int64_t) { return b - p.first + 1 + before; });
  }
  if (f == "rank_max") {
    return by_peers<int64_t>(task, unit, false, out, [](const Partition& p, int64_t, int64_t e, int64_t) { return e - p.first; });
  }
  if (f == "rank_average") {
    return by_peers<double>(task, unit, false, out, [](const Partition& p, int64_t b, int64_t e, int64_t) {
      return static_cast<double>(b - p.first + 1 + e - p.first) / 2;
    });
  }
  if (f == "dense_rank")
    return by_peers<int64_t>(task, unit, true, out, [](const Partition&, int64_t, int64_t, int64_t g) { return g + 1; });
  if (f == "percent_rank") {
    return by_peers<double>(task, unit, false, out, [](const Partition& p, int64_t b, int64_t, int64_t) {
      const int64_t n = p.last - p.first;
      return n <= 1 ? 0.0 : static_cast<double>(b - p.first) / static_cast<double>(n - 1);
    });
  }
  return by_peers<double>(task, unit, false, out, [](const Partition& p, int64_t, int64_t e, int64_t) {  // cume_dist
    return static_cast<double>(e - p.first) / static_cast<double>(p.last - p.first);
  });
}

}  // namespace gristmill::exec
