// Turns each row into one row per element of its lists; the other columns repeat. An empty or null list gives one row
// with null (as DataFrame users expect). Several columns must have lists of equal length in each row.
//
// Invariant: rows stay in input order, elements in list order; output batches hold at most the batch size.

#include "exec/explode.h"

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"

namespace gristmill::exec {
namespace {

struct ExplodeLocal final : LocalState {
  explicit ExplodeLocal(const QueryContext& c) : pool(c.pool()), batch_rows(c.batch_rows) {}
  arrow::MemoryPool* pool;
  int64_t batch_rows;
};

struct ListColumn {
  std::shared_ptr<arrow::ArrayData> data;
  bool large = false;
  column::ValidityBits validity;
  int64_t begin(int64_t i) const { return large ? column::values_of<int64_t>(*data)[i] : column::values_of<int32_t>(*data)[i]; }
  int64_t length(int64_t i) const { return validity.valid(i) ? begin(i + 1) - begin(i) : 0; }
};

class Explode final : public Operator {
 public:
  Explode(std::vector<int> columns, std::string label) : columns_(std::move(columns)), label_(std::move(label)) {}
  std::string name() const override { return "explode " + label_; }
  bool generates_rows() const override { return true; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const override {
    return std::make_unique<ExplodeLocal>(context);
  }

  arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const override {
    auto& state = local.as<ExplodeLocal>();
    std::vector<ListColumn> lists;
    for (int c : columns_) {
      ARROW_ASSIGN_OR_RAISE(column::Column flat, column::flatten(batch.columns[c], batch.rows, state.pool));
      lists.push_back({flat.values, flat.values->type->id() == arrow::Type::LARGE_LIST, column::validity_of(*flat.values)});
    }
    auto rows = batch.selection.indices(batch.rows);
    for (uint16_t r : rows) {
      for (size_t k = 1; k < lists.size(); ++k) {
        if (lists[k].length(r) != lists[0].length(r)) {
          return base::data_error("explode needs lists of equal length in a row, found " + std::to_string(lists[0].length(r)) + " and " +
                                      std::to_string(lists[k].length(r)) + " elements",
                                  {}, r);
        }
      }
    }
    std::vector<int64_t> parent;
    std::vector<std::vector<int64_t>> element(lists.size());
    for (uint16_t r : rows) {
      const int64_t n = lists[0].length(r);
      for (int64_t j = 0; j < std::max<int64_t>(n, 1); ++j) {
        parent.push_back(r);
        for (size_t k = 0; k < lists.size(); ++k) element[k].push_back(n == 0 ? column::kNullIndex : lists[k].begin(r) + j);
        if (static_cast<int64_t>(parent.size()) == state.batch_rows) ARROW_RETURN_NOT_OK(flush(batch, lists, parent, element, state, emit));
      }
    }
    return parent.empty() ? arrow::Status::OK() : flush(batch, lists, parent, element, state, emit);
  }

 private:
  arrow::Status flush(const column::Batch& batch, const std::vector<ListColumn>& lists, std::vector<int64_t>& parent,
                      std::vector<std::vector<int64_t>>& element, ExplodeLocal& state, const Emit& emit) const {
    column::Batch out;
    out.rows = static_cast<int64_t>(parent.size());
    out.columns.resize(batch.columns.size());
    for (size_t c = 0; c < batch.columns.size(); ++c) {
      size_t k = 0;
      while (k < columns_.size() && columns_[k] != static_cast<int>(c)) ++k;
      if (k == columns_.size()) {
        ARROW_ASSIGN_OR_RAISE(out.columns[c], column::take(batch.columns[c], std::span<const int64_t>(parent), state.pool));
      } else {
        ARROW_ASSIGN_OR_RAISE(out.columns[c], column::take(column::Column::flat(lists[k].data->child_data[0]),
                                                           std::span<const int64_t>(element[k]), state.pool));
        element[k].clear();
      }
    }
    parent.clear();
    return emit(std::move(out));
  }

  std::vector<int> columns_;
  std::string label_;
};

}  // namespace

std::shared_ptr<const Operator> make_explode(std::vector<int> columns, std::string label) {
  return std::make_shared<Explode>(std::move(columns), std::move(label));
}

}  // namespace gristmill::exec
