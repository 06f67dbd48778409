// What a user asked of windows, and the same bound to the columns of a stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "exec/aggregate.h"
#include "expr/node.h"
#include "stream/stateful.h"
#include "stream/window_rows.h"
#include "stream/windows.h"

namespace gristmill::stream {

// Lengths are texts ("10s"; plain numbers where the time column is int64).
struct EventTime {
  std::string time;        // column
  std::string delay;       // how far rows may lie behind the latest one; empty: not at all
  std::string idle_after;  // of the clock: a partition at its end that long holds nothing back; empty: it always does
  bool inherited = false;  // behind another stateful operator, whose watermark counts
};

enum class WindowKind : uint8_t { kTumbling, kHopping, kSession, kCount };

struct WindowSpec {
  WindowKind kind = WindowKind::kTumbling;
  EventTime watermark;
  std::string size;      // kTumbling, kHopping
  std::string slide;     // kHopping
  std::string offset;    // kTumbling, kHopping: windows start at it plus whole slides
  std::string gap;       // kSession: what ends a session
  int64_t rows = 0;      // kCount
  std::string lateness;  // how long a closed window still takes rows
  std::string ttl;       // kCount: a key that shows nothing for so long (of event time) starts anew; empty: never
  std::vector<expr::NodePtr> keys;
  std::vector<expr::NodePtr> aggregates;
  bool side_output = false;  // late rows leave by output 1
};

struct BoundWatermark {
  expr::BoundPtr time;
  int64_t delay = 0;
  int64_t idle_micros = 0;
  bool inherited = false;
};
arrow::Result<BoundWatermark> bind_watermark(const EventTime& spec, const arrow::Schema& input);

struct BoundWindows {
  WindowKind kind = WindowKind::kTumbling;
  BoundWatermark watermark;  // kCount without ttl: without time
  TimeWindows time;
  int64_t gap = 0;
  int64_t rows = 0;
  int64_t lateness = 0;
  int64_t ttl = 0;
  exec::AggregateSpec groups;
  WindowShape shape;
  std::shared_ptr<arrow::Schema> side;  // null: late rows are only counted
  std::vector<std::string> key_names;
  std::string text;  // "tumbling 10s of ts"
};
arrow::Result<BoundWindows> bind_windows(const WindowSpec& spec, const std::shared_ptr<arrow::Schema>& input);

// The operator; a plan error when something of it cannot be.
arrow::Result<StatefulOperatorPtr> make_windows(const WindowSpec& spec, const std::shared_ptr<arrow::Schema>& input);

}  // namespace gristmill::stream
