// Columns are shared by what they compute, orderings by their columns. A function without an order whose value does not depend on
// the order of rows joins whichever ordering has its partition keys.

#include "exec/window_layout.h"

#include <algorithm>

#include <arrow/type.h>

namespace gristmill::exec {
namespace {

class Builder {
 public:
  explicit Builder(std::vector<column::TypePtr> types) {
    out_.inputs = types.size();
    out_.types = std::move(types);
  }

  int column_of(const expr::BoundPtr& e) {
    if (e->kind == expr::BoundKind::kInput) return e->input;
    for (size_t i = 0; i < out_.computed.size(); ++i) {
      const expr::Bound& known = *out_.computed[i];
      const bool same = known.deterministic && known.label == e->label && known.kind == e->kind && known.type->Equals(*e->type);
      if (out_.computed[i] == e || (same && !e->label.empty() && e->kind == expr::BoundKind::kCall))
        return static_cast<int>(out_.inputs + i);
    }
    out_.computed.push_back(e);
    out_.types.push_back(e->type);
    return static_cast<int>(out_.types.size()) - 1;
  }

  void add(expr::BoundWindow f) {
    WindowTask task;
    for (const auto& a : f.args) task.args.push_back(column_of(a));
    if (f.filter) task.filter = column_of(f.filter);
    WindowOrdering wanted;
    for (const auto& p : f.partition) {
      const int c = column_of(p);
      if (std::find(wanted.partition.begin(), wanted.partition.end(), c) == wanted.partition.end()) wanted.partition.push_back(c);
    }
    std::sort(wanted.partition.begin(), wanted.partition.end());
    for (const auto& o : f.order) {
      wanted.order.push_back(column_of(o.expr));
      wanted.directions.push_back({o.descending, o.nulls_first});
    }
    task.all_peers = wanted.order.empty();
    if (wanted.order.size() == 1) task.range_key = wanted.order[0];
    task.function = std::move(f);
    wanted_.push_back(std::move(wanted));
    out_.tasks.push_back(std::move(task));
  }

  WindowLayout take() {
    for (const bool strict : {true, false}) {  // those that need their order first, then those that take any
      for (size_t i = 0; i < out_.tasks.size(); ++i) {
        if (is_blind(out_.tasks[i]) != strict) out_.tasks[i].ordering = ordering_of(wanted_[i], strict);
      }
    }
    return std::move(out_);
  }

 private:
  size_t ordering_of(const WindowOrdering& wanted, bool strict) {
    for (size_t i = 0; i < out_.orderings.size(); ++i) {
      const WindowOrdering& known = out_.orderings[i];
      if (known.partition != wanted.partition) continue;
      if (!strict) return i;
      const auto same = [](const column::SortKey& a, const column::SortKey& b) {
        return a.descending == b.descending && a.nulls_first == b.nulls_first;
      };
      if (known.order == wanted.order && std::equal(known.directions.begin(), known.directions.end(), wanted.directions.begin(), same))
        return i;
    }
    out_.orderings.push_back(wanted);
    return out_.orderings.size() - 1;
  }

  WindowLayout out_;
  std::vector<WindowOrdering> wanted_;
};

}  // namespace

bool is_blind(const WindowTask& t) {
  static constexpr std::string_view kBlind[] = {"count", "sum", "mean", "min", "max", "var", "std"};
  const expr::BoundWindow& f = t.function;
  return t.all_peers && f.mode != expr::FrameMode::kRows && std::find(std::begin(kBlind), std::end(kBlind), f.function) != std::end(kBlind);
}

WindowLayout window_layout(std::vector<column::TypePtr> input_types, std::vector<expr::BoundWindow> functions) {
  Builder builder(std::move(input_types));
  for (auto& f : functions) builder.add(std::move(f));
  return builder.take();
}

}  // namespace gristmill::exec
