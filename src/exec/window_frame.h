// The frames of a partition's rows, in order, as positions.
//
// A frame without its exclusion is [low, cut_low) and [cut_high, high), and the row itself when `self`. All four are positions that
// never go back from one row to the next, so whoever follows them touches every position at most twice.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "exec/window_unit.h"

namespace gristmill::exec {

struct FrameRow {
  int64_t position;
  int64_t low, cut_low, cut_high, high;
  bool self;
};

// Where distances are measured: the order key of a unit's positions as numbers that ascend with the order.
class FrameKeys {
 public:
  static arrow::Result<FrameKeys> make(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool);

  bool used() const { return key_ != nullptr; }
  bool real() const { return real_; }
  bool special(int64_t p) const { return special_->data()[p - base_] != 0; }  // NULL or NaN: at no distance from anything but its peers
  __int128 whole_at(int64_t p) const { return reinterpret_cast<const __int128*>(key_->data())[p - base_]; }
  double real_at(int64_t p) const { return reinterpret_cast<const double*>(key_->data())[p - base_]; }
  // The key `edge` away from that of position p.
  __int128 whole_target(int64_t p, const expr::BoundEdge& edge) const;
  double real_target(int64_t p, const expr::BoundEdge& edge) const;

 private:
  arrow::Status fill_whole(const Gathered& g, int64_t n);
  std::shared_ptr<arrow::Buffer> key_, special_;
  int64_t base_ = 0;
  bool real_ = false, descending_ = false;
};

class Frames {
 public:
  Frames(const WindowTask& task, const FrameKeys& keys, const OrderedRows& rows, const Partition& p);
  // The frame of the next row; the first is that of Partition::begin.
  FrameRow next();

 private:
  // The first position of the groups with numbers of at least some target, followed forward.
  struct GroupCursor {
    int64_t position = 0, group = 0;
  };
  void enter_peers();
  int64_t row_edge(const expr::BoundEdge& edge, bool end) const;
  int64_t group_edge(GroupCursor& cursor, const expr::BoundEdge& edge, bool end) const;
  int64_t range_edge(int64_t& cursor, const expr::BoundEdge& edge, bool end) const;
  int64_t edge_of(const expr::BoundEdge& edge, bool end);

  const expr::BoundWindow& f_;
  const FrameKeys& keys_;
  const OrderedRows& rows_;
  const Partition p_;
  const bool all_peers_, needs_peers_;
  int64_t at_;
  int64_t peers_begin_ = 0, peers_end_ = 0, group_ = 0;
  int64_t plain_begin_ = 0, plain_end_ = 0;  // the rows that are not special
  GroupCursor low_group_, high_group_;
  int64_t low_range_ = 0, high_range_ = 0;
};

// Follows the frames of one partition: add(w, position) and remove(w, position) for what enters and leaves part w of a frame (0: before
// the exclusion, 1: behind it), each in order; then row(frame) for every row. `added`: positions before it have entered part 0 already;
// in the end, those that have.
template <typename Add, typename Remove, typename Row>
void follow_frames(Frames& frames, const Partition& p, int64_t* added, Add&& add, Remove&& remove, Row&& row) {
  int64_t begin[2] = {p.first, p.first}, end[2] = {added ? *added : p.first, p.first};
  for (int64_t i = p.begin; i < p.end; ++i) {
    const FrameRow f = frames.next();
    const int64_t low[2] = {f.low, f.cut_high}, high[2] = {f.cut_low, f.high};
    for (int w = 0; w < 2; ++w) {
      for (const int64_t leave = std::min(low[w], end[w]); begin[w] < leave; ++begin[w]) remove(w, begin[w]);
      if (end[w] < low[w]) begin[w] = end[w] = low[w];
      for (; end[w] < high[w]; ++end[w]) add(w, end[w]);
    }
    row(f);
  }
  if (added) *added = end[0];
}

}  // namespace gristmill::exec
