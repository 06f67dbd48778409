// A time series bound to the columns of its stream, and its results as a batch.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "expr/bind.h"
#include "expr/evaluate.h"
#include "stream/kept_batch.h"
#include "stream/series.h"
#include "stream/series_state.h"

namespace gristmill::stream {

struct BoundSeries {
  SeriesSpec spec;
  SeriesLengths lengths;
  int64_t ttl = 0;
  bool has_time = false;
  bool timed = false;  // rows wait for the watermark and are taken in the order of their times
  BoundWatermark time;
  std::vector<expr::BoundPtr> keys;
  std::vector<std::string> key_names;
  expr::BoundPtr value;  // null: none is looked at
  expr::BoundPtr post;   // over the further column alone; null: it is as it is
  std::shared_ptr<arrow::Schema> input;
  std::vector<column::TypePtr> types;  // canonical, of the input
  std::shared_ptr<arrow::Schema> schema;
  int replaces = -1;             // the column that the further one stands for; -1: it comes last
  column::TypePtr further;       // its canonical type
  bool holds_back = false;       // rows may leave long after the watermark passed them
  std::vector<bool> key_column;  // kGaps
  int time_column = -1;          // kGaps
  int end_column = -1;           // kGaps; -1: none
  KeptRow zeros;                 // kGaps with zeros: one row of them
  std::string text;
};

arrow::Result<BoundSeries> bind_series(const SeriesSpec& spec, const std::shared_ptr<arrow::Schema>& input);

arrow::Result<column::Batch> series_batch(const BoundSeries& series, std::span<const SeriesResult> results, expr::Evaluator& evaluator);

}  // namespace gristmill::stream
