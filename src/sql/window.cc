// PostgreSQL keeps a frame as bits of one number; a window may begin with a named one, from which it takes the partition and, if it
// has none of its own, the order.

#include "sql/window.h"

#include <arrow/scalar.h>

#include "base/status.h"
#include "sql/interval.h"

namespace gristmill::sqltext {
namespace {

using expr::FrameEdge;
using expr::NodePtr;

// Of PostgreSQL's parsenodes.h.
enum FrameBits : int {
  kNonDefault = 0x00001,
  kRows = 0x00004,
  kGroups = 0x00008,
  kStartUnboundedPreceding = 0x00020,
  kEndUnboundedPreceding = 0x00040,
  kStartUnboundedFollowing = 0x00080,
  kEndUnboundedFollowing = 0x00100,
  kStartCurrentRow = 0x00200,
  kEndCurrentRow = 0x00400,
  kStartPreceding = 0x00800,
  kEndPreceding = 0x01000,
  kStartFollowing = 0x02000,
  kEndFollowing = 0x04000,
  kExcludeCurrentRow = 0x08000,
  kExcludeGroup = 0x10000,
  kExcludeTies = 0x20000,
};

class WindowLowering {
 public:
  WindowLowering(const ExpressionLowering& expressions, const ParsedText& text, const NamedWindows* windows)
      : expressions_(expressions), text_(text), windows_(windows) {}

  arrow::Result<expr::Over> lower(const PgQuery__WindowDef& w) {
    expr::Over out;
    if (w.name && *w.name && !has_body(w)) {  // over w
      ARROW_ASSIGN_OR_RAISE(const PgQuery__WindowDef* known, find(w.name, w.location));
      return body(*known);
    }
    return body(w);
  }

 private:
  static bool has_body(const PgQuery__WindowDef& w) {
    return w.n_partition_clause > 0 || w.n_order_clause > 0 || (w.frame_options & kNonDefault) != 0 || (w.refname && *w.refname);
  }

  arrow::Result<const PgQuery__WindowDef*> find(const std::string& name, int location) const {
    std::vector<std::string> known;
    if (windows_) {
      if (const auto it = windows_->find(name); it != windows_->end()) return it->second;
      for (const auto& [n, w] : *windows_) known.push_back(n);
    }
    return text_.error("no window \"" + name + "\"" + (known.empty() ? "" : base::suggest_name(name, known)), location);
  }

  arrow::Result<expr::Over> body(const PgQuery__WindowDef& w) {
    expr::Over out;
    if (w.refname && *w.refname) {
      if (++depth_ > 100) return text_.error("window \"" + std::string(w.refname) + "\" refers to itself", w.location);
      ARROW_ASSIGN_OR_RAISE(const PgQuery__WindowDef* base, find(w.refname, w.location));
      ARROW_ASSIGN_OR_RAISE(out, body(*base));
      if (w.n_partition_clause > 0)
        return text_.error("cannot override the PARTITION BY of window \"" + std::string(w.refname) + "\"", w.location);
      if (w.n_order_clause > 0 && !out.order.empty())
        return text_.error("cannot override the ORDER BY of window \"" + std::string(w.refname) + "\"", w.location);
      if (out.frame) return text_.error("cannot copy window \"" + std::string(w.refname) + "\": it has a frame", w.location);
    }
    for (size_t i = 0; i < w.n_partition_clause; ++i) {
      ARROW_ASSIGN_OR_RAISE(NodePtr key, expressions_.lower(*w.partition_clause[i]));
      out.partition.push_back(std::move(key));
    }
    for (size_t i = 0; i < w.n_order_clause; ++i) {
      const PgQuery__SortBy& by = *w.order_clause[i]->sort_by;
      expr::WindowOrder o;
      o.descending = by.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
      o.nulls_first = by.sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                      (by.sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && o.descending);
      ARROW_ASSIGN_OR_RAISE(o.expr, expressions_.lower(*by.node));
      out.order.push_back(std::move(o));
    }
    if (w.frame_options & kNonDefault) {
      ARROW_ASSIGN_OR_RAISE(out.frame, frame(w));
    }
    return out;
  }

  arrow::Result<expr::Frame> frame(const PgQuery__WindowDef& w) const {
    const int bits = w.frame_options;
    expr::Frame f;
    f.mode = bits & kRows ? expr::FrameMode::kRows : bits & kGroups ? expr::FrameMode::kGroups : expr::FrameMode::kRange;
    f.start.edge = bits & kStartUnboundedPreceding ? FrameEdge::kUnboundedPreceding
                   : bits & kStartPreceding        ? FrameEdge::kPreceding
                   : bits & kStartCurrentRow       ? FrameEdge::kCurrentRow
                   : bits & kStartFollowing        ? FrameEdge::kFollowing
                                                   : FrameEdge::kUnboundedFollowing;
    f.end.edge = bits & kEndUnboundedFollowing ? FrameEdge::kUnboundedFollowing
                 : bits & kEndPreceding        ? FrameEdge::kPreceding
                 : bits & kEndCurrentRow       ? FrameEdge::kCurrentRow
                 : bits & kEndFollowing        ? FrameEdge::kFollowing
                                               : FrameEdge::kUnboundedPreceding;
    f.exclude = bits & kExcludeCurrentRow ? expr::FrameExclude::kCurrentRow
                : bits & kExcludeGroup    ? expr::FrameExclude::kGroup
                : bits & kExcludeTies     ? expr::FrameExclude::kTies
                                          : expr::FrameExclude::kNothing;
    ARROW_RETURN_NOT_OK(offset(w.start_offset, f.start, w.location));
    ARROW_RETURN_NOT_OK(offset(w.end_offset, f.end, w.location));
    return f;
  }

  arrow::Status offset(const PgQuery__Node* n, expr::FrameBound& out, int location) const {
    if (!n) return arrow::Status::OK();
    if (n->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
      const PgQuery__TypeName& type = *n->type_cast->type_name;
      const PgQuery__Node* last = type.n_names > 0 ? type.names[type.n_names - 1] : nullptr;
      if (last && last->node_case == PG_QUERY__NODE__NODE_STRING && std::string(last->string->sval) == "interval") {
        ARROW_ASSIGN_OR_RAISE(const Interval i, interval_of(*n->type_cast, text_));
        out.interval = {i.months, i.days, i.micros * 1000};
        return arrow::Status::OK();
      }
    }
    ARROW_ASSIGN_OR_RAISE(const NodePtr e, expressions_.lower(*n));
    if (e->kind != expr::NodeKind::kLiteral) return text_.error("the offset of a frame must be a constant", location);
    out.number = e->value;
    return arrow::Status::OK();
  }

  const ExpressionLowering& expressions_;
  const ParsedText& text_;
  const NamedWindows* windows_;
  int depth_ = 0;
};

}  // namespace

arrow::Result<NamedWindows> named_windows(const PgQuery__SelectStmt& s, const ParsedText& text) {
  NamedWindows out;
  for (size_t i = 0; i < s.n_window_clause; ++i) {
    const PgQuery__WindowDef& w = *s.window_clause[i]->window_def;
    if (!out.emplace(w.name, &w).second) return text.error("window \"" + std::string(w.name) + "\" is defined twice", w.location);
  }
  return out;
}

arrow::Result<NodePtr> lower_window_call(const PgQuery__FuncCall& f, const std::string& name, std::vector<NodePtr> args,
                                         const NodePtr& aggregate, const ExpressionLowering& expressions, const ParsedText& text,
                                         const NamedWindows* windows) {
  ARROW_ASSIGN_OR_RAISE(expr::Over over, WindowLowering(expressions, text, windows).lower(*f.over));
  if (aggregate) return expr::window(aggregate->name, aggregate->args, aggregate->options, std::move(over), aggregate->filter);
  if (f.agg_filter) return text.error("FILTER is for aggregates, " + name + " is none", f.location);
  if (f.agg_distinct || f.agg_star) return text.error(name + " takes neither DISTINCT nor *", f.location);
  return expr::window(name, std::move(args), {}, std::move(over));
}

}  // namespace gristmill::sqltext
