// Two streams joined by event time, the same rows out whatever the interleaving of the two.
//
// Rows wait until both watermarks are behind them; then they are worked on in the order of their times, ties by side and then by their
// place in their own stream. Whether a row is late is decided by its own stream's watermark alone. So neither depends on which stream came
// first, and what leaves is ordered by event time.
//
// Where memory is short rows go to disk (cold_states.h): those that wait until their time has come, those that were taken until their key
// is wanted again or they are too old.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "stream/cold_states.h"
#include "stream/kept_batch.h"
#include "stream/spill_gate.h"
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
  std::vector<std::pair<int, int>> shared_keys;  // left and right column of keys that leave as one
  std::string text;
};
arrow::Result<BoundStreamJoin> bind_stream_join(const StreamJoinSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                const std::shared_ptr<arrow::Schema>& right, bool right_alone = false);

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
  int64_t bytes() const override { return gate_ ? gate_->bytes() : 0; }
  std::map<std::string, int64_t> stats() const override;

 protected:
  // Before what is held goes: nobody may ask for it to go to disk any more.
  void no_more_spills() { gate_.reset(); }
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
  // The same by key, before they go to disk; then all of them are let go of. They come back through wake().
  using VisitKey = std::function<arrow::Status(int side, std::string_view key, const std::vector<const Row*>& rows)>;
  virtual arrow::Status each_held_key(const VisitKey& visit) const = 0;
  virtual void let_go() = 0;
  virtual void wake(int side, Row row) = 0;
  // Until when rows of a key may lie on disk without being wanted; kAllTime: for ever. Then they come back or, if not `comes_back()`, go.
  virtual int64_t due(int side, const std::vector<const Row*>& rows) const = 0;
  virtual bool comes_back(int side) const { return false; }
  // The rows of side `side` that lie on disk and are due before `to`, some of them; what is due before the answer has come.
  arrow::Result<int64_t> wake_due(int side, int64_t to);
  // How far the left time of a row that leaves may lie behind both watermarks.
  virtual int64_t behind() const { return 0; }

  // A pair leaves; `right.batch` null: no right row.
  arrow::Status pair(const KeptRow& left, const KeptRow& right, Emitter& out);
  // A row of one side leaves alone.
  arrow::Status alone(int side, const KeptRow& row, Emitter& out);
  void count_held(int64_t rows) { held_rows_ += rows; }

  BoundStreamJoin join_;

 private:
  using Waiting = std::map<std::pair<int64_t, uint64_t>, Row>;  // by time and place
  struct Stored;
  arrow::Status apply_inside(Piece& base, const MorselPart& part, Emitter& out);
  arrow::Status move_on(Emitter& out);
  arrow::Status take_ready(int64_t before, Emitter& out);
  arrow::Status flush(Emitter& out);
  arrow::Result<KeptRow> left_of(const KeptRow& right);
  int64_t index_bytes() const;
  static void store(int side, const Row& row, std::vector<uint8_t>* out);
  using VisitStored = std::function<void(int side, Row row)>;
  arrow::Status each_stored_row(const std::vector<std::string>& stored, const VisitStored& visit) const;
  arrow::Status put_away();
  arrow::Status wake_keys(const std::vector<uint64_t> (&hashes)[2]);
  arrow::Status snapshot_inside(SnapshotWriter& writer);
  arrow::Status put_rows(SnapshotWriter& writer, int side) const;
  arrow::Status put_cold_rows(SnapshotWriter& writer) const;
  arrow::Status take_back(const SnapshotReader& reader, int side, bool met);

  std::string kind_;
  const exec::QueryContext* context_ = nullptr;
  Watermark marks_[2] = {{0, 0, false}, {0, 0, false}};
  IdleClock idle_[2] = {IdleClock(0), IdleClock(0)};
  Waiting waiting_[2];
  std::vector<KeptRow> pairs_[2];
  std::unordered_map<const KeptBatch*, KeptBatchPtr> beside_;  // what stands on the left of right rows that are alone, until flush()
  int64_t held_rows_ = 0;
  std::unique_ptr<ColdStates> cold_waiting_;  // by place, due at their time
  std::unique_ptr<ColdStates> cold_held_[2];  // by key
  int64_t late_rows_[2] = {0, 0};
  uint64_t base_seq_ = 0;
  uint64_t next_seq_ = 0;
  int64_t told_ = kNoTime;
  std::unique_ptr<SpillGate> gate_;
};

}  // namespace gristmill::stream
