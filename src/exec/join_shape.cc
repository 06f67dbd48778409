// A key that is a plain column of the input and is wanted in the output anyway is kept once.

#include "exec/join_shape.h"

#include <algorithm>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::exec {
namespace {

JoinSide make_side(std::vector<expr::BoundPtr> keys, const expr::BoundPtr& near, const std::vector<column::TypePtr>& input_types,
                   std::vector<int> wanted) {
  JoinSide side;
  side.equal_keys = keys.size();
  if (near) keys.push_back(near);
  side.keys = keys;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  side.inputs = std::move(wanted);
  for (int c : side.inputs) side.types.push_back(input_types[static_cast<size_t>(c)]);
  for (const auto& k : keys) {
    int at = k->kind == expr::BoundKind::kInput ? side.kept_of(k->input) : -1;
    if (at < 0) {
      at = static_cast<int>(side.inputs.size());
      side.inputs.push_back(k->kind == expr::BoundKind::kInput ? k->input : -1);
      side.types.push_back(k->type);
    }
    side.key_at.push_back(at);
  }
  return side;
}

void collect_inputs(const expr::Bound& e, std::vector<int>& out) {
  if (e.kind == expr::BoundKind::kInput) out.push_back(e.input);
  for (const auto& a : e.args) collect_inputs(*a, out);
}

arrow::Status check(const JoinSpec& spec) {
  const bool inner = spec.kind == plan::JoinKind::kInner, asof = spec.kind == plan::JoinKind::kAsof;
  if ((spec.left_keys.empty() && !asof) || spec.left_keys.size() != spec.right_keys.size())
    return base::internal_error("a hash join needs keys on both sides");
  const bool filters = spec.kind == plan::JoinKind::kSemi || spec.kind == plan::JoinKind::kAnti;
  if (spec.build_left && !inner && !filters) return base::internal_error("a join of this kind may not build its left side");
  if (spec.build_left && spec.residual && spec.residual->fallible)
    return base::internal_error("a residual that may fail is checked for one left row after the other");
  if (spec.residual && (inner || asof)) return base::internal_error("a join of this kind takes no residual");
  if (spec.asof.has_value() != asof) return base::internal_error("an as-of join without its key");
  return arrow::Status::OK();
}

}  // namespace

int JoinSide::kept_of(int input) const {
  const auto at = std::find(inputs.begin(), inputs.end(), input);
  return at == inputs.end() ? -1 : static_cast<int>(at - inputs.begin());
}

std::vector<column::Column> JoinSide::keys_of(const column::Batch& kept) const {
  std::vector<column::Column> out;
  for (int k : key_at) out.push_back(kept.columns[static_cast<size_t>(k)]);
  return out;
}

std::vector<column::Column> JoinSide::equal_keys_of(const std::vector<column::Column>& kept) const {
  std::vector<column::Column> out;
  for (size_t k = 0; k < equal_keys; ++k) out.push_back(kept[static_cast<size_t>(key_at[k])]);
  return out;
}

OutputColumn JoinShape::of_kept(OutputColumn column) const {
  if (column.from == OutputColumn::kProbe) column.index = probe.kept_of(column.index);
  return column;
}

arrow::Result<std::shared_ptr<const JoinShape>> make_join_shape(JoinSpec spec) {
  ARROW_RETURN_NOT_OK(check(spec));
  auto shape = std::make_shared<JoinShape>();
  std::vector<column::TypePtr> key_types;
  for (const auto& k : spec.left_keys) key_types.push_back(k->type);
  shape->layout = KeyLayout(key_types, spec.nulls_equal);
  const int width = static_cast<int>(spec.left_types.size());
  std::vector<int> of_left, of_right;
  std::vector<int> of_residual;
  if (spec.residual) collect_inputs(*spec.residual, of_residual);
  for (const auto* wanted : {&spec.output, &of_residual}) {
    for (int c : *wanted) (c < width ? of_left : of_right).push_back(c < width ? c : c - width);
  }
  JoinSide left = make_side(spec.left_keys, spec.asof ? spec.asof->left_on : nullptr, spec.left_types, of_left);
  JoinSide right = make_side(spec.right_keys, spec.asof ? spec.asof->right_on : nullptr, spec.right_types, of_right);
  const auto whence = [&](int c) -> OutputColumn {
    const bool from_left = c < width;
    const int input = from_left ? c : c - width;
    if (from_left != spec.build_left) return {OutputColumn::kProbe, input};
    return {OutputColumn::kBuild, (from_left ? left : right).kept_of(input)};
  };
  for (int c : spec.output) shape->output.push_back(whence(c));
  for (int c : of_residual) shape->residual.emplace_back(c, whence(c));
  shape->build = spec.build_left ? std::move(left) : std::move(right);
  shape->probe = spec.build_left ? std::move(right) : std::move(left);
  for (const auto& k : shape->probe.keys) shape->fallible_probe |= k->fallible;
  shape->spec = std::move(spec);
  return shape;
}

arrow::Result<KeptRows> keep_rows(const JoinSide& side, column::Batch batch, const std::vector<column::Column>& keys, bool drop_null_keys,
                                  uint64_t order, arrow::MemoryPool* pool) {
  KeptRows out;
  out.order = order;
  column::Batch kept;
  kept.rows = batch.rows;
  kept.selection = drop_null_keys ? non_null_rows(keys, batch.rows, batch.selection) : batch.selection;
  for (int c : side.inputs) kept.columns.push_back(c < 0 ? column::Column{} : batch.columns[static_cast<size_t>(c)]);
  for (size_t k = 0; k < keys.size(); ++k) kept.columns[static_cast<size_t>(side.key_at[k])] = keys[k];
  const bool all = kept.selection.all();
  if (!all) {
    const auto live = kept.selection.indices(kept.rows);
    out.rows.assign(live.begin(), live.end());
  }
  ARROW_ASSIGN_OR_RAISE(out.batch, column::compact(std::move(kept), pool));
  for (auto& c : out.batch.columns) {
    if (!all) {
      ARROW_ASSIGN_OR_RAISE(c, column::compact_views(c, out.batch.rows, pool));
    }
    out.bytes += column::compact_bytes(c, out.batch.rows);
  }
  out.bytes += static_cast<int64_t>(out.rows.size()) * 2;
  return out;
}

arrow::Result<column::Column> order_column(const KeptRows& rows, arrow::MemoryPool* pool) {
  const int64_t n = rows.batch.rows;
  ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(n * 8, pool));
  auto* out = reinterpret_cast<uint64_t*>(buffer->mutable_data());
  for (int64_t i = 0; i < n; ++i) out[i] = rows.order_of(i);
  return column::Column::flat(column::make_array(arrow::uint64(), n, nullptr, 0, std::move(buffer)));
}

}  // namespace gristmill::exec
