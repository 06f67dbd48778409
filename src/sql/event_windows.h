// Windows of event time in a query: tumble(), hop() and session(), and the table that stands for their rows until the whole query is known.
//
//   from tumble(clicks, ts, interval '1 minute')         from hop(clicks, ts, interval '1 minute', interval '10 minutes')
//   group by tumble(ts, interval '1 minute'), page        group by session(ts, interval '30 minutes'), visitor
//
// What becomes of it depends on what the rows are: of a table each row is put into its windows (resolve_windows.h), over a stream the
// grouping becomes a window that closes as event time goes on (over_streams.h).
#pragma once

#include <cstdint>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "plan/logical.h"
#include "sql/parse.h"
#include "sql/scope.h"

namespace gristmill::sqltext {

struct EventWindows {
  enum class Kind : uint8_t { kTumble, kHop, kSession };
  Kind kind = Kind::kTumble;
  std::string time;                 // a column of the rows
  std::string size, slide, offset;  // lengths as streams take them: "60000000us", "100"; of a session the gap is its size
  std::string start, end;           // the columns that are added

  std::string text() const;  // "tumble(ts, 60000000us)"
  friend bool operator==(const EventWindows&, const EventWindows&) = default;
};

// Lengths in ticks of the time column.
struct WindowTicks {
  int64_t size = 0, slide = 0, offset = 0;
};
// A plan error where the column is no time, or a length does not fit it.
arrow::Result<WindowTicks> ticks_of_windows(const EventWindows& windows, const arrow::Schema& rows);

// Whether a function of this name makes windows; `count`: of its arguments behind the table, if there is one.
bool makes_windows(const std::string& function);
// The start or the end of a window by a function's name: tumble_start, hop_end, ...; empty for any other function.
std::string window_edge(const std::string& function);
// What a call asks for; its first argument that counts is the time, a column of `scope`. Neither checked against types, nor with names for
// the columns it adds.
arrow::Result<EventWindows> read_windows(const PgQuery__FuncCall& call, const std::string& function, size_t first, const Scope& scope,
                                         const ParsedText& text);

// What tumble(...), tumble_start(...) and their like are in an expression, where GROUP BY has such windows.
arrow::Result<expr::NodePtr> window_value(const PgQuery__FuncCall& call, const std::string& function, const Scope& scope,
                                          const ParsedText& text);
// tumble(...) itself: a struct of start and end.
expr::NodePtr whole_window(const EventWindows& windows);

// The rows of `input` with the columns `windows.start` and `windows.end` behind them. Never read: it is replaced before a plan is run.
class WindowedRows final : public plan::TableSource {
 public:
  static arrow::Result<plan::PlanPtr> over(plan::PlanPtr input, EventWindows windows);

  WindowedRows(plan::PlanPtr input, EventWindows windows, std::shared_ptr<arrow::Schema> schema);
  std::string kind() const override { return "windows"; }
  std::string name() const override { return windows_.text(); }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override;

  const plan::PlanPtr& input() const { return input_; }
  const EventWindows& windows() const { return windows_; }

 private:
  const plan::PlanPtr input_;
  const EventWindows windows_;
  const std::shared_ptr<arrow::Schema> schema_;
};

// The windows a plan's node stands for; null for any other node.
const WindowedRows* windowed_rows(const plan::Plan& plan);

}  // namespace gristmill::sqltext
