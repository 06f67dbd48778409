// Frames by rows, by groups of peers and by distance of the order key. Every edge is a cursor that only moves forward.
//
// NULL and NaN keys are at no distance from anything: a frame of theirs that ends at a distance ends with their peers, and no other
// row's does reach them. They stand together at either end of a partition.

#include "exec/window_frame.h"

#include <algorithm>
#include <cmath>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "expr/calendar.h"

namespace gristmill::exec {
namespace {

using expr::BoundEdge;
using expr::FrameEdge;
using expr::FrameExclude;
using expr::FrameMode;

constexpr int64_t kNanosADay = int64_t{86400} * 1'000'000'000;

bool measured(const BoundEdge& e) { return e.edge == FrameEdge::kPreceding || e.edge == FrameEdge::kFollowing; }

// Nanoseconds a unit of a time type; 0 for numbers.
int64_t nanoseconds_of(const arrow::DataType& t) {
  static constexpr int64_t kNanos[] = {1'000'000'000, 1'000'000, 1000, 1};
  switch (t.id()) {
    case arrow::Type::DATE32: return kNanosADay;
    case arrow::Type::DATE64: return 1'000'000;
    case arrow::Type::TIMESTAMP: return kNanos[static_cast<int>(static_cast<const arrow::TimestampType&>(t).unit())];
    case arrow::Type::DURATION: return kNanos[static_cast<int>(static_cast<const arrow::DurationType&>(t).unit())];
    case arrow::Type::TIME32:
    case arrow::Type::TIME64: return kNanos[static_cast<int>(static_cast<const arrow::TimeType&>(t).unit())];
    default: return 0;
  }
}

// An instant moved by whole months; the day of the month where that has it, else its last.
__int128 add_months(__int128 nanos, int64_t months) {
  __int128 days = nanos / kNanosADay;
  if (nanos % kNanosADay < 0) --days;
  const __int128 rest = nanos - days * kNanosADay;
  const expr::Civil c = expr::civil_of_days(static_cast<int64_t>(days));
  const int64_t month = int64_t{c.year} * 12 + c.month - 1 + months;
  const int64_t year = expr::floor_divide(month, 12);
  const auto in_year = static_cast<int32_t>(month - year * 12 + 1);
  const int32_t day = std::min(c.day, expr::days_in_month(year, in_year));
  return static_cast<__int128>(expr::days_of_civil(year, in_year, day)) * kNanosADay + rest;
}

}  // namespace

arrow::Result<FrameKeys> FrameKeys::make(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool) {
  FrameKeys k;
  const expr::BoundWindow& f = task.function;
  if (f.mode != FrameMode::kRange || (!measured(f.start) && !measured(f.end))) return k;
  const int64_t n = unit.last - unit.first;
  k.base_ = unit.first;
  k.descending_ = f.order[0].descending;
  ARROW_ASSIGN_OR_RAISE(const Gathered g, gather(*unit.ordered, task.range_key, unit.first, unit.last, pool));
  ARROW_ASSIGN_OR_RAISE(k.special_, column::allocate_buffer(n, pool));
  const column::Physical p = column::physical_unchecked(*g.column.type());
  k.real_ = p == column::Physical::kFloat64 || p == column::Physical::kFloat32;
  ARROW_ASSIGN_OR_RAISE(k.key_, column::allocate_buffer(n * (k.real_ ? 8 : 16), pool));
  uint8_t* const special = k.special_->mutable_data();
  if (!k.real_) {
    ARROW_RETURN_NOT_OK(k.fill_whole(g, n));
    return k;
  }
  auto* const out = reinterpret_cast<double*>(k.key_->mutable_data());
  column::visit_number(p, [&]<typename T>() {
    if constexpr (std::is_floating_point_v<T>) {
      const T* v = column::values_of<T>(*g.column.values);
      for (int64_t i = 0; i < n; ++i) {
        special[i] = !g.valid.valid(i) || std::isnan(v[i]);
        out[i] = k.descending_ ? -static_cast<double>(v[i]) : static_cast<double>(v[i]);
      }
    }
  });
  return k;
}

arrow::Status FrameKeys::fill_whole(const Gathered& g, int64_t n) {
  uint8_t* const special = special_->mutable_data();
  auto* const out = reinterpret_cast<__int128*>(key_->mutable_data());
  const int64_t scale = std::max<int64_t>(1, nanoseconds_of(*g.column.type()));
  column::visit_number(column::physical_unchecked(*g.column.type()), [&]<typename T>() {
    if constexpr (!std::is_floating_point_v<T>) {
      const T* v = column::values_of<T>(*g.column.values);
      for (int64_t i = 0; i < n; ++i) {
        special[i] = !g.valid.valid(i);
        const __int128 x = special[i] ? 0 : static_cast<__int128>(v[i]) * scale;
        out[i] = descending_ ? -x : x;
      }
    }
  });
  return arrow::Status::OK();
}

__int128 FrameKeys::whole_target(int64_t p, const BoundEdge& edge) const {
  const bool back = (edge.edge == FrameEdge::kPreceding) != descending_;  // towards smaller keys
  const __int128 key = descending_ ? -whole_at(p) : whole_at(p);
  __int128 out = edge.months == 0 ? key : add_months(key, back ? -edge.months : edge.months);
  out += back ? -edge.distance : edge.distance;
  return descending_ ? -out : out;
}

double FrameKeys::real_target(int64_t p, const BoundEdge& edge) const {
  return edge.edge == FrameEdge::kPreceding ? real_at(p) - edge.real : real_at(p) + edge.real;
}

Frames::Frames(const WindowTask& task, const FrameKeys& keys, const OrderedRows& rows, const Partition& p)
    : f_(task.function),
      keys_(keys),
      rows_(rows),
      p_(p),
      all_peers_(task.all_peers),
      needs_peers_(f_.mode != FrameMode::kRows || f_.exclude == FrameExclude::kGroup || f_.exclude == FrameExclude::kTies),
      at_(p.begin) {
  low_group_ = high_group_ = {p.first, 0};
  if (keys_.used()) {
    plain_begin_ = p.first;
    plain_end_ = p.last;
    while (plain_begin_ < plain_end_ && keys_.special(plain_begin_)) ++plain_begin_;
    while (plain_end_ > plain_begin_ && keys_.special(plain_end_ - 1)) --plain_end_;
    low_range_ = high_range_ = plain_begin_;
  }
  if (!needs_peers_ || p.begin == p.end) return;
  peers_end_ = p.first;
  if (all_peers_) {
    peers_begin_ = p.first;
    peers_end_ = p.last;
    return;
  }
  // Into the middle of a partition: whose peer its first row is, and how many groups there are before.
  peers_begin_ = p.begin;
  while (peers_begin_ > p.first && !rows.starts(peers_begin_, kPeerStart)) --peers_begin_;
  if (f_.mode == FrameMode::kGroups) {
    for (int64_t i = p.first + 1; i <= peers_begin_; ++i) group_ += rows.starts(i, kPeerStart);
  }
  peers_end_ = p.begin + 1;
  while (peers_end_ < p.last && !rows.starts(peers_end_, kPeerStart)) ++peers_end_;
}

void Frames::enter_peers() {
  peers_begin_ = at_;
  ++group_;
  peers_end_ = at_ + 1;
  while (peers_end_ < p_.last && !rows_.starts(peers_end_, kPeerStart)) ++peers_end_;
}

int64_t Frames::row_edge(const BoundEdge& e, bool end) const {
  const int64_t own = at_ + (end ? 1 : 0);
  if (e.edge == FrameEdge::kCurrentRow) return own;
  if (e.edge == FrameEdge::kPreceding) return e.rows >= own - p_.first ? p_.first : own - e.rows;
  return e.rows >= p_.last - own ? p_.last : own + e.rows;
}

int64_t Frames::group_edge(GroupCursor& c, const BoundEdge& e, bool end) const {
  if (e.edge == FrameEdge::kCurrentRow) return end ? peers_end_ : peers_begin_;
  const int64_t own = group_ + (end ? 1 : 0);
  const int64_t target = e.edge == FrameEdge::kPreceding ? (e.rows >= own ? 0 : own - e.rows)
                         : e.rows > INT64_MAX - own      ? INT64_MAX
                                                         : own + e.rows;
  while (c.group < target && c.position < p_.last) {
    do {
      ++c.position;
    } while (c.position < p_.last && !rows_.starts(c.position, kPeerStart));
    ++c.group;
  }
  return c.position;
}

int64_t Frames::range_edge(int64_t& cursor, const BoundEdge& e, bool end) const {
  if (e.edge == FrameEdge::kCurrentRow || keys_.special(at_)) return end ? peers_end_ : peers_begin_;
  if (keys_.real()) {
    const double target = keys_.real_target(at_, e);
    while (cursor < plain_end_ && (end != e.open ? keys_.real_at(cursor) <= target : keys_.real_at(cursor) < target)) ++cursor;
  } else {
    const __int128 target = keys_.whole_target(at_, e);
    while (cursor < plain_end_ && (end != e.open ? keys_.whole_at(cursor) <= target : keys_.whole_at(cursor) < target)) ++cursor;
  }
  return cursor;
}

int64_t Frames::edge_of(const BoundEdge& e, bool end) {
  if (e.edge == FrameEdge::kUnboundedPreceding) return p_.first;
  if (e.edge == FrameEdge::kUnboundedFollowing) return p_.last;
  switch (f_.mode) {
    case FrameMode::kRows: return row_edge(e, end);
    case FrameMode::kGroups: return group_edge(end ? high_group_ : low_group_, e, end);
    default: return range_edge(end ? high_range_ : low_range_, e, end);
  }
}

FrameRow Frames::next() {
  if (needs_peers_ && at_ >= peers_end_) enter_peers();
  FrameRow r{at_, edge_of(f_.start, false), 0, 0, edge_of(f_.end, true), false};
  r.low = std::min(r.low, r.high);
  const auto within = [&](int64_t p) { return std::clamp(p, r.low, r.high); };
  switch (f_.exclude) {
    case FrameExclude::kNothing: r.cut_low = r.cut_high = r.high; break;
    case FrameExclude::kCurrentRow:
      r.cut_low = within(at_);
      r.cut_high = within(at_ + 1);
      break;
    case FrameExclude::kTies: r.self = r.low <= at_ && at_ < r.high; [[fallthrough]];
    case FrameExclude::kGroup:
      r.cut_low = within(peers_begin_);
      r.cut_high = within(peers_end_);
      break;
  }
  ++at_;
  return r;
}

}  // namespace gristmill::exec
