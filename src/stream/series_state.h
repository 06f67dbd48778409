// What one key of a time series remembers, by the kind of the series.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "stream/kept_batch.h"
#include "stream/series.h"

namespace gristmill::stream {

struct SeriesRow {
  int64_t t = 0;
  uint64_t place = 0;
  KeptRow row;
  bool valid = false;  // the value is not null
  double x = 0;
};

// A row that leaves, with its further value.
struct SeriesResult {
  KeptRow row;
  bool valid = false;
  double x = 0;
  int64_t ticks = 0;  // kTimeDifference; of a row that was made: its time
  KeptRow from = {};  // kFill forward and backward: whose value it takes
  bool made = false;  // kGaps
  KeptRow next = {};  // kGaps: the row behind the gap
  double share = 0;   // kGaps: how far into the gap
};
using SeriesEmit = std::function<arrow::Status(SeriesResult)>;

// Ticks and steps, of the spec.
struct SeriesLengths {
  int64_t length = 0;
  int64_t every = 0;
};

class SeriesState {
 public:
  virtual ~SeriesState() = default;
  // Rows come in order.
  virtual arrow::Status take(SeriesRow row, const SeriesEmit& emit) = 0;
  // No further row: what waits leaves.
  virtual arrow::Status end(const SeriesEmit& emit) { return arrow::Status::OK(); }
  // Everything but rows as plain words; rows one by one, in order.
  virtual void save(std::vector<uint64_t>* words) const = 0;
  virtual bool load(std::span<const uint64_t> words) = 0;  // false: they are not what save() wrote
  virtual void each_row(const std::function<void(const SeriesRow&)>& visit) const {}
  virtual void take_back(SeriesRow row) {}
  virtual int64_t bytes() const { return 64; }
};

std::unique_ptr<SeriesState> make_series_state(const SeriesSpec& spec, const SeriesLengths& lengths);

}  // namespace gristmill::stream
