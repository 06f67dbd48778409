// What all kinds of windows do alike.

#include <utility>

#include <arrow/scalar.h>

#include "base/status.h"
#include "column/batch.h"
#include "column/types.h"
#include "stream/snapshot.h"
#include "stream/window_operators.h"

namespace gristmill::stream {
namespace {

constexpr int kStateVersion = 1;
constexpr const char* kKind = "windows";

}  // namespace

arrow::Status WindowOperator::open(const OperatorContext& context) {
  ARROW_ASSIGN_OR_RAISE(plan_, exec::AggregatePlan::make(windows_.groups, *context.query));
  results_ = std::make_unique<WindowRows>(*plan_, windows_.shape);
  slow_ = std::make_unique<RowGrouper>(*plan_);
  const int32_t partitions = context.partitions.empty() ? 1 : context.partitions[0];
  mark_ = Watermark(partitions, windows_.watermark.delay, windows_.watermark.inherited);
  idle_ = IdleClock(context.replay ? 0 : windows_.watermark.idle_micros);
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<exec::LocalState>> WindowOperator::make_local(const exec::QueryContext&) const {
  return std::make_unique<WindowLocal>(*plan_);
}

arrow::Status WindowOperator::read_times(column::Batch batch, const MorselPart& part, WindowLocal& local, TimedRows* out) const {
  out->batch = std::move(batch);
  out->order_base = ((base_seq_ + part.seq) << 32) + static_cast<uint64_t>(part.first_row);
  selected_rows(out->batch, &out->rows);
  if (!windows_.watermark.time) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(out->held, see_times(*windows_.watermark.time, out->batch, out->rows, local.grouper.evaluator()));
  out->times = out->held.all();
  return arrow::Status::OK();
}

arrow::Status WindowOperator::move_on(Emitter& out) {
  ARROW_RETURN_NOT_OK(advance(mark_.value(), out));
  ARROW_RETURN_NOT_OK(results_->flush(out));
  const int64_t tell = time_less(mark_.value(), windows_.lateness);
  if (tell == kNoTime || tell <= told_) return arrow::Status::OK();
  told_ = tell;
  return out.watermark(tell);
}

arrow::Status WindowOperator::on_watermark(int, int64_t ticks, Emitter& out) {
  if (!mark_.inherited()) return arrow::Status::OK();
  mark_.raise(ticks);
  return move_on(out);
}

arrow::Status WindowOperator::on_tick(const Tick& tick, Emitter& out) {
  if (!idle_.on()) return arrow::Status::OK();
  for (const int32_t p : idle_.tick(tick.now_micros, tick.at_end)) mark_.set_idle(p);
  return move_on(out);
}

arrow::Status WindowOperator::on_end(Emitter& out) {
  mark_.raise(kAllTime);
  return move_on(out);
}

arrow::Status WindowOperator::send_late(const column::Batch& batch, std::vector<uint16_t> rows, Emitter& out) {
  if (rows.empty()) return arrow::Status::OK();
  late_rows_ += static_cast<int64_t>(rows.size());
  if (!windows_.side) return arrow::Status::OK();
  column::Batch late = batch;
  late.selection = column::Selection::from_indices(std::move(rows), batch.rows);
  ARROW_ASSIGN_OR_RAISE(late, column::compact(std::move(late), plan_->pool()));
  return out.rows(std::move(late), 1);
}

std::string WindowOperator::fingerprint() const {
  // The lengths of delay and lateness may change from run to run; what windows are may not.
  std::string out = windows_.text.substr(0, windows_.text.find(" lateness "));
  out += "; keys";
  for (const auto& key : windows_.groups.keys) out += " " + key->label + ":" + column::type_text(*key->type);
  out += "; aggregates";
  for (const auto& a : windows_.groups.aggregates) {
    out += " " + a.function + (a.distinct ? "(distinct" : "(");
    for (const auto& arg : a.args) out += " " + arg->label + ":" + column::type_text(*arg->type);
    out += a.filter ? ") where " + a.filter->label : ")";
    for (const auto& option : a.options) out += " " + option.name + "=" + (option.value ? option.value->ToString() : "");
  }
  return out;
}

std::map<std::string, int64_t> WindowOperator::stats() const {
  std::map<std::string, int64_t> out = {{"late_rows", late_rows_}, {"state_bytes", bytes()}};
  if (mark_.value() != kNoTime && mark_.value() != kAllTime) out["watermark"] = mark_.value();
  return out;
}

void WindowOperator::save(SnapshotWriter& writer) const {
  writer.describe(kKind, kStateVersion, fingerprint());
  writer.number("next_seq", static_cast<int64_t>(next_seq_));
  writer.number("late_rows", late_rows_);
  writer.number("row_bytes", plan_->layout.stride);
  mark_.save("watermark", writer);
}

arrow::Status WindowOperator::load(SnapshotReader& reader) {
  ARROW_RETURN_NOT_OK(reader.check(kKind, kStateVersion, fingerprint()));
  if (reader.number("row_bytes") != plan_->layout.stride) {
    return base::plan_error("the state of \"" + name() + "\" was kept by another version of this program");
  }
  base_seq_ = next_seq_ = static_cast<uint64_t>(reader.number("next_seq"));
  late_rows_ = reader.number("late_rows");
  mark_.load("watermark", reader);
  return arrow::Status::OK();
}

}  // namespace gristmill::stream
