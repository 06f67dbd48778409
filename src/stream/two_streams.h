// Two streams joined by event time, the same rows out whatever the interleaving of the two.
//
// Rows wait until both watermarks are behind them; then they are worked on in the order of their times, ties by side and then by their
// place in their own stream. Whether a row is late is decided by its own stream's watermark alone. So neither depends on which stream came
// first, and what leaves is ordered by event time.
//
// Rows that wait and rows that may still meet another must fit the memory limit; they do not go to disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "stream/kept_batch.h"
#include "stream/stateful.h"
#include "stream/stream_joins.h"
#include "stream/watermark.h"

namespace gristmill::stream {

struct BoundSide {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<column::TypePtr> types;  // canonical
  BoundWatermark watermark;
  std::vector<expr::BoundPtr> keys;
  std::vector<int> output;  // columns that leave
};
struct BoundStreamJoin {
  BoundSide sides[2];
  std::shared_ptr<arrow::Schema> schema;
  std::vector<std::string> key_names;
  std::string text;
};
arrow::Result<BoundStreamJoin> bind_stream_join(const StreamJoinSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                const std::shared_ptr<arrow::Schema>& right);

class TwoStreams : public StatefulOperator {
 public:
  TwoStreams(BoundStreamJoin join, std::string kind) : join_(std::move(join)), kind_(std::move(kind)) {}

  std::string name() const override { return join_.text; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return join_.schema; }
  int inputs() const override { return 2; }
  std::vector<std::string> partition_keys() const override { return join_.key_names; }
  arrow::Status open(const OperatorContext& context) override;
  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override;
  arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const override;
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) override;
  arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) override;
  arrow::Status on_tick(const Tick& tick, Emitter& out) override;
  int64_t tick_every() const override;
  arrow::Status on_input_end(int input, Emitter& out) override;
  arrow::Status on_end(Emitter& out) override;
  arrow::Status snapshot(SnapshotWriter& writer) override;
  arrow::Status restore(SnapshotReader& reader) override;
  std::string fingerprint() const override;
  int64_t bytes() const override { return held_.bytes(); }
  std::map<std::string, int64_t> stats() const override;

 protected:
  struct Row {
    int64_t t = 0;
    uint64_t place = 0;  // in its stream
    KeptRow row;
    std::string key;
    bool null_key = false;
    bool met = false;  // it has left in a pair
  };
  // The next row in the order of times. Lower ranks go first among equal times.
  virtual arrow::Status take(int side, Row row, Emitter& out) = 0;
  virtual int rank(int side) const { return side; }
  // Both streams have come this far: what can meet no row at or after it may go.
  virtual arrow::Status forget(int64_t to, Emitter& out) = 0;
  // Rows that were taken and are still held, for a snapshot; and one of them back.
  virtual void each_held(const std::function<void(int side, const Row& row)>& visit) const = 0;
  virtual void hold_again(int side, Row row) = 0;
  virtual void restored() {}
  // How far the left time of a row that leaves may lie behind both watermarks.
  virtual int64_t behind() const { return 0; }

  // A pair leaves; `right.batch` null: no right row.
  arrow::Status pair(const KeptRow& left, const KeptRow& right, Emitter& out);
  void count_held(int64_t rows) { held_rows_ += rows; }

  BoundStreamJoin join_;

 private:
  using Waiting = std::map<std::pair<int64_t, uint64_t>, Row>;  // by time and place
  arrow::Status move_on(Emitter& out);
  arrow::Status flush(Emitter& out);
  arrow::Status account();
  arrow::Status put_rows(SnapshotWriter& writer, int side) const;
  arrow::Status take_back(const SnapshotReader& reader, int side, bool met);

  std::string kind_;
  const exec::QueryContext* context_ = nullptr;
  Watermark marks_[2] = {{0, 0, false}, {0, 0, false}};
  IdleClock idle_[2] = {IdleClock(0), IdleClock(0)};
  Waiting waiting_[2];
  std::vector<KeptRow> pairs_[2];
  base::Reservation held_;
  int64_t held_rows_ = 0;
  int64_t late_rows_[2] = {0, 0};
  uint64_t base_seq_ = 0;
  uint64_t next_seq_ = 0;
  int64_t told_ = kNoTime;
};

}  // namespace gristmill::stream
