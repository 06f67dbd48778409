#include "sql/over_streams.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "base/status.h"
#include "gristmill/stream_time.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "sql/join_within.h"
#include "sql/resolve_windows.h"
#include "sql/stream_part.h"
#include "stream/answers.h"
#include "stream/tables.h"
#include "stream/window_spec.h"

namespace gristmill::sqltext {
namespace {

using plan::Plan;
using plan::PlanKind;
using plan::PlanPtr;

// A stream while a query is lowered.
class NamedStream final : public plan::TableSource {
 public:
  NamedStream(std::string name, Stream stream, std::shared_ptr<arrow::Schema> schema)
      : name_(std::move(name)), stream_(std::move(stream)), schema_(std::move(schema)) {}
  std::string kind() const override { return "stream"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest&) const override {
    return base::plan_error("\"" + name_ + "\" is a stream and cannot be read in this place of a query");
  }
  const Stream& stream() const { return stream_; }

 private:
  const std::string name_;
  const Stream stream_;
  const std::shared_ptr<arrow::Schema> schema_;
};

const NamedStream* named_stream(const Plan& p) {
  return p.kind == PlanKind::kScan ? dynamic_cast<const NamedStream*>(p.source.get()) : nullptr;
}

void collect_streams(const Plan& p, bool endless_only, std::vector<std::string>& names) {
  if (const NamedStream* s = named_stream(p)) {
    const bool wanted = !endless_only || s->stream().endless();
    if (wanted && std::find(names.begin(), names.end(), s->name()) == names.end()) names.push_back(s->name());
  }
  if (const WindowedRows* w = windowed_rows(p)) collect_streams(*w->input(), endless_only, names);
  for (const PlanPtr& in : p.inputs) collect_streams(*in, endless_only, names);
}

// the stream "clicks"; the streams "clicks" and "views"
std::string streams_of(const Plan& p, bool endless_only = true) {
  std::vector<std::string> names;
  collect_streams(p, endless_only, names);
  std::string out = names.size() > 1 ? "the streams " : "the stream ";
  for (size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "\"" : i + 1 == names.size() ? " and \"" : ", \"") + names[i] + "\"";
  return out;
}

arrow::Status never(const std::string& what, const Plan& p, const std::string& hint) {
  std::vector<std::string> names;
  collect_streams(p, true, names);
  return base::plan_error(what + " over " + streams_of(p) + (names.size() > 1 ? ", which never end" : ", which never ends"), hint);
}

class OverStreams {
 public:
  arrow::Result<Part> of(const PlanPtr& p) {
    if (const auto known = done_.find(p.get()); known != done_.end()) return known->second;
    ARROW_ASSIGN_OR_RAISE(Part part, made(p));
    kept_.push_back(p);
    done_.emplace(p.get(), part);
    return part;
  }

 private:
  arrow::Result<Part> made(const PlanPtr& p) {
    if (const NamedStream* s = named_stream(*p)) return scanned(*p, *s);
    if (const WindowedRows* w = windowed_rows(*p)) return windowed(*p, *w);
    ARROW_ASSIGN_OR_RAISE(const auto within, joined_within(*p));
    if (within) return *within;
    switch (p->kind) {
      case PlanKind::kScan: return Part{p, {}};
      case PlanKind::kAggregate: return grouped(*p, p);
      case PlanKind::kJoin: return joined(*p, p);
      case PlanKind::kUnion: return together(*p, p);
      default: break;
    }
    ARROW_ASSIGN_OR_RAISE(const Part in, of(p->inputs[0]));
    switch (p->kind) {
      case PlanKind::kLimit: return limited(*p, p, in);
      case PlanKind::kSort:
        if (in.endless())
          return never(
              "ORDER BY", *p,
              "rows come in the order of the stream; windows leave in the order of their ends. Or end it with LIMIT in a subquery");
        break;
      case PlanKind::kWindow:
        if (in.endless())
          return never("a window function (OVER)", *p, "group by tumble(), hop() or session(), or end it with LIMIT in a subquery");
        break;
      case PlanKind::kRowIndex:
        if (in.endless()) return never("numbering rows", *p, "end it with LIMIT in a subquery");
        break;
      default: break;
    }
    return rebuilt(p, in);
  }

  // The same step over the part; event time goes along where its column does.
  arrow::Result<Part> rebuilt(const PlanPtr& p, const Part& in) {
    if (!in.stream && in.plan == p->inputs[0]) return Part{p, {}};
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::with_inputs(*p, {in.plan}));
    if (!in.stream) return Part{std::move(plan), {}};
    return step(in, std::move(plan), p->kind == PlanKind::kProject ? renamed(in, p->exprs) : time_of(in));
  }

  arrow::Result<Part> scanned(const Plan& p, const NamedStream& s) {
    ARROW_ASSIGN_OR_RAISE(Part whole, part_of(s.stream()));
    std::vector<std::string> names;
    for (const int c : p.columns) names.push_back(s.schema()->field(c)->name());
    if (names == whole.plan->schema->field_names()) return whole;
    ARROW_ASSIGN_OR_RAISE(PlanPtr kept, plan::keep_columns(whole.plan, names));
    const std::string time = time_of(whole);
    return step(whole, std::move(kept), std::find(names.begin(), names.end(), time) == names.end() ? "" : time);
  }

  // Windows without a grouping that closes them: row by row.
  arrow::Result<Part> windowed(const Plan& p, const WindowedRows& w) {
    ARROW_ASSIGN_OR_RAISE(const Part in, of(w.input()));
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, rows_in_windows(in.plan, w.windows()));
    ARROW_ASSIGN_OR_RAISE(plan, plan::keep_columns(std::move(plan), p.schema->field_names()));
    return in.stream ? step(in, std::move(plan), time_of(in)) : Part{std::move(plan), {}};
  }

  arrow::Result<Part> grouped(const Plan& p, const PlanPtr& node) {
    ARROW_ASSIGN_OR_RAISE(const auto below, without_windows(p.inputs[0]));
    std::string missing;
    if (below) {
      const EventWindows& w = below->windows->windows();
      const bool session = w.kind == EventWindows::Kind::kSession;
      const WindowGrouping grouping = window_grouping(p, *below);
      const bool streaming = grouping.mixed.empty() || session;
      if (grouping.by_window && streaming) {
        if (!grouping.mixed.empty())
          return base::plan_error("\"" + grouping.mixed + "\" is computed of a session's start or end before the session is known",
                                  "compute it behind the grouping, in a query around it");
        ARROW_ASSIGN_OR_RAISE(const Part rows, of(below->rows));
        if (rows.stream && in_event_time(rows)) return windows_of(p, *below, grouping, rows);
        if (session) {
          ARROW_ASSIGN_OR_RAISE(PlanPtr plan, group_by_sessions(p, *below, grouping, rows.plan));
          return rows.stream ? step(rows, std::move(plan), "") : Part{std::move(plan), {}};
        }
      }
      if (!grouping.mixed.empty())
        missing = "\"" + grouping.mixed + "\" is computed of a window's start or end; compute it behind the grouping, in a query around it";
      else if (!grouping.by_window)
        missing = "put window_start and window_end of " + w.text() + " into GROUP BY";
    }
    ARROW_ASSIGN_OR_RAISE(const Part in, of(p.inputs[0]));
    if (!in.endless()) return rebuilt(node, in);
    if (p.aggregates.empty() && !below) return distinct(p, in);
    return never("GROUP BY or an aggregate without a window", p,
                 missing.empty() ? "group by tumble(), hop() or session() of the stream's time" : missing);
  }

  // Whether a window is to close as event time goes on: always where the stream has a time, or no end. Else it is known at the end.
  static bool in_event_time(const Part& rows) { return rows.state().event_time || rows.endless(); }

  arrow::Result<Part> windows_of(const Plan& p, const Unwindowed& below, const WindowGrouping& grouping, const Part& rows) {
    const EventWindows& w = below.windows->windows();
    const auto& time = rows.state().event_time;
    if (!time) {
      return base::plan_error(w.text() + " over " + streams_of(p, false) + " needs its watermark",
                              "say with_watermark(\"" + w.time + "\", delay=...) on the stream");
    }
    if (time->time != below.time) {
      return base::plan_error(w.text() + " is over another time than the watermark of " + streams_of(p, false) + ", which is of \"" +
                              time->time + "\"");
    }
    std::vector<Expr> keys, aggregates;
    for (const plan::NamedExpr& k : grouping.keys) keys.emplace_back(expr::alias(k.expr, k.name));
    for (const plan::NamedExpr& a : p.aggregates) aggregates.emplace_back(expr::alias(a.expr, a.name));
    if (aggregates.empty()) aggregates.emplace_back(expr::alias(expr::aggregate("count", {}), "$rows"));
    const Windows windows = w.kind == EventWindows::Kind::kTumble ? Windows::tumbling(w.size, w.offset)
                            : w.kind == EventWindows::Kind::kHop  ? Windows::hopping(w.size, w.slide, w.offset)
                                                                  : Windows::session(w.size);
    ARROW_ASSIGN_OR_RAISE(Part out, part_of(gristmill::window(*rows.stream, std::move(keys), windows, std::move(aggregates))));
    const plan::Substitution called = {{w.start, expr::column("window_start")}, {w.end, expr::column("window_end")}};
    for (const expr::NodePtr& condition : below.conditions) {
      ARROW_ASSIGN_OR_RAISE(PlanPtr filtered, plan::make_filter(out.plan, plan::substitute(condition, called)));
      ARROW_ASSIGN_OR_RAISE(out, step(out, std::move(filtered), time_of(out)));
    }
    std::vector<plan::NamedExpr> outputs;
    for (const plan::NamedExpr& k : p.exprs) {
      const bool edge = plan::is_column(k) && below.is_edge(k.expr->name);
      outputs.push_back({k.name, expr::column(!edge ? k.name : below.starts.contains(k.expr->name) ? "window_start" : "window_end")});
    }
    for (const plan::NamedExpr& a : p.aggregates) outputs.push_back({a.name, expr::column(a.name)});
    const std::string end = renamed(out, outputs);
    ARROW_ASSIGN_OR_RAISE(PlanPtr shown, plan::project_node(out.plan, std::move(outputs)));
    return step(out, std::move(shown), end);
  }

  // Keys without aggregates: each combination once, as it first comes.
  arrow::Result<Part> distinct(const Plan& p, const Part& in) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr keys, plan::project_node(in.plan, p.exprs));
    ARROW_ASSIGN_OR_RAISE(const Part projected, step(in, std::move(keys), renamed(in, p.exprs)));
    return part_of(projected.stream->distinct());
  }

  arrow::Result<Part> limited(const Plan& p, const PlanPtr& node, const Part& in) {
    if (!in.stream || !stream::has_positions(*in.plan)) return rebuilt(node, in);
    if (p.offset > 0) return base::plan_error("OFFSET over " + streams_of(p, false) + " is not supported", "leave it out; LIMIT works");
    if (p.count < 0) return in;
    return part_of(in.stream->limit(p.count));
  }

  arrow::Result<Part> together(const Plan& p, const PlanPtr& node) {
    std::vector<Part> parts;
    bool streams = false, endless = false, same = true;
    for (const PlanPtr& in : p.inputs) {
      ARROW_ASSIGN_OR_RAISE(Part one, of(in));
      streams |= one.stream.has_value();
      endless |= one.endless();
      same &= one.plan == in;
      parts.push_back(std::move(one));
    }
    if (!streams && same) return Part{node, {}};
    if (!endless) {
      std::vector<PlanPtr> plans;
      const Part* first = nullptr;
      for (const Part& one : parts) {
        plans.push_back(one.plan);
        if (one.stream && !first) first = &one;
      }
      ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::with_inputs(p, std::move(plans)));
      // One behind the other, so that the order is known; event time does not go on through that.
      return first ? step(*first, std::move(plan), "") : Part{std::move(plan), {}};
    }
    std::vector<Stream> all;
    for (size_t i = 0; i < parts.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const Part one, aligned(parts[i], *p.schema));
      all.push_back(*one.stream);
    }
    // Settings are those of the first stream.
    const auto first = std::find_if(parts.begin(), parts.end(), [](const Part& one) { return one.stream.has_value(); });
    ARROW_ASSIGN_OR_RAISE(const Part merged, part_of(stream::merged(all, p.schema)));
    if (first == parts.begin()) return merged;
    auto state = std::make_shared<stream::StreamState>(first->state());
    state->plan = merged.plan;
    state->event_time = merged.state().event_time;
    return part_of(Stream(stream::StatePtr(std::move(state))));
  }

  // With the union's types; a table becomes a stream that ends.
  arrow::Result<Part> aligned(const Part& one, const arrow::Schema& schema) {
    Part out = one;
    if (!out.stream) {
      ARROW_ASSIGN_OR_RAISE(out, part_of(Stream(Frame(one.plan))));
    }
    std::vector<plan::NamedExpr> columns;
    bool same = true;
    for (const auto& f : schema.fields()) {
      ARROW_ASSIGN_OR_RAISE(const int at, plan::find_column(*out.plan->schema, f->name()));
      const bool fits = out.plan->schema->field(at)->type()->Equals(f->type());
      same &= fits;
      columns.push_back({f->name(), fits ? expr::column(f->name()) : expr::cast(expr::column(f->name()), f->type())});
    }
    if (same) return out;
    const std::string time = renamed(out, columns);
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::project_node(out.plan, std::move(columns)));
    return step(out, std::move(plan), time);
  }

  arrow::Result<Part> joined(const Plan& p, const PlanPtr& node) {
    ARROW_ASSIGN_OR_RAISE(const Part left, of(p.inputs[0]));
    ARROW_ASSIGN_OR_RAISE(const Part right, of(p.inputs[1]));
    if (left.endless() && right.endless()) {
      return base::plan_error("a join of " + streams_of(*p.inputs[0]) + " with " + streams_of(*p.inputs[1]) + ", both of which never end",
                              "join them within a time: ON ... AND b.ts BETWEEN a.ts - interval '1 minute' AND a.ts + interval '5 "
                              "minutes', both with_watermark(); or Stream.asof_join()");
    }
    if (right.endless()) return turned(p, left, right);
    if (left.endless() && plan::keeps_right_rows(p.join)) {
      return never("a RIGHT or FULL JOIN with a table", p, "which rows of the table match nothing is known only at the end; use LEFT JOIN");
    }
    if (!left.stream && !right.stream && left.plan == p.inputs[0] && right.plan == p.inputs[1]) return Part{node, {}};
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::with_inputs(p, {left.plan, right.plan}));
    if (!left.stream && !right.stream) return Part{std::move(plan), {}};
    if (!left.stream) return step(right, std::move(plan), "");
    return step(left, std::move(plan), time_behind(p, left, 0));
  }

  // Two streams whose times are at most so far apart, a join with conditions above it: pairs as their watermarks go on. Nothing where the
  // plan is something else.
  arrow::Result<std::optional<Part>> joined_within(const Plan& p) {
    const Plan* join = &p;
    std::vector<expr::NodePtr> conditions;
    for (; join->kind == PlanKind::kFilter; join = join->inputs[0].get()) {
      for (expr::NodePtr& c : expr::conjuncts(join->predicate)) conditions.push_back(std::move(c));
    }
    if (join->kind != PlanKind::kJoin || join->nulls_equal) return std::nullopt;
    using plan::JoinKind;
    const bool outer = join->join == JoinKind::kLeft || join->join == JoinKind::kRight || join->join == JoinKind::kFull;
    if (outer ? join != &p : join->join != JoinKind::kInner) return std::nullopt;
    if (outer && join->join != JoinKind::kLeft && join->coalesce_keys) return std::nullopt;  // a key that is either side's
    if (outer && join->residual) conditions = expr::conjuncts(join->residual);
    ARROW_ASSIGN_OR_RAISE(const Part left, of(join->inputs[0]));
    ARROW_ASSIGN_OR_RAISE(const Part right, of(join->inputs[1]));
    ARROW_ASSIGN_OR_RAISE(std::optional<Part> out, join_within(*join, left, right, conditions));
    if (!out || conditions.empty()) return out;
    ARROW_ASSIGN_OR_RAISE(PlanPtr filtered, plan::make_filter(out->plan, expr::conjunction(conditions)));
    return step(*out, std::move(filtered), time_of(*out));
  }

  // The stream stands on the right of the table: the same join the other way around.
  arrow::Result<Part> turned(const Plan& p, const Part& left, const Part& right) {
    const bool keeps_stream = p.join == plan::JoinKind::kRight;
    if ((p.join != plan::JoinKind::kInner && !keeps_stream) || p.residual) {
      const char* what =
          p.join == plan::JoinKind::kSemi || p.join == plan::JoinKind::kAnti ? "IN or EXISTS with a subquery" : "this JOIN of a table";
      return never(what, *p.inputs[1], "put the stream on the left: FROM stream LEFT JOIN table");
    }
    ARROW_ASSIGN_OR_RAISE(const PlanPtr straight, plan::with_inputs(p, {left.plan, right.plan}));
    plan::JoinParts parts = plan::join_parts(*straight);
    const int old_left = left.plan->schema->num_fields(), new_left = right.plan->schema->num_fields();
    for (int& c : parts.output) c = c < old_left ? new_left + c : c - old_left;
    std::swap(parts.left_keys, parts.right_keys);
    if (keeps_stream) parts.kind = plan::JoinKind::kLeft;
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::join_node(right.plan, left.plan, std::move(parts)));
    const std::string time = time_behind(*plan, right, 0);
    return step(right, std::move(plan), time);
  }

  std::unordered_map<const Plan*, Part> done_;
  std::vector<PlanPtr> kept_;  // so that no other plan gets the address of one in done_
};

bool concerns(const Plan& p, std::unordered_map<const Plan*, bool>& known) {
  if (const auto it = known.find(&p); it != known.end()) return it->second;
  bool out = named_stream(p) != nullptr || windowed_rows(p) != nullptr;
  for (const PlanPtr& in : p.inputs) out = out || concerns(*in, known);
  known.emplace(&p, out);
  return out;
}

// Whether there is anything to do: the plan of a query without streams and windows stays the very same.
bool concerns(const Plan& p) {
  std::unordered_map<const Plan*, bool> known;
  return concerns(p, known);
}

// Who reads a source, or the rows of an operator that remembers, takes them: nobody else gets them.
arrow::Status check_read_once(const Plan& p, std::vector<const stream::StreamTable*>& seen) {
  for (const PlanPtr& in : p.inputs) ARROW_RETURN_NOT_OK(check_read_once(*in, seen));
  const auto* table = dynamic_cast<const stream::StreamTable*>(p.source.get());
  if (table == nullptr) return arrow::Status::OK();
  if (dynamic_cast<const stream::EndlessTable*>(table) != nullptr) {
    if (std::find(seen.begin(), seen.end(), table) != seen.end())
      return base::plan_error("the stream over " + table->name() + " is read in two places of the query",
                              "a stream can be read once; write it to a table, or give the query two streams");
    seen.push_back(table);
  }
  for (const PlanPtr& in : table->inputs()) ARROW_RETURN_NOT_OK(check_read_once(*in, seen));
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<PlanPtr> stream_table(const std::string& name, const Stream& stream) {
  ARROW_ASSIGN_OR_RAISE(const stream::StatePtr state, stream.state());
  return plan::make_scan(std::make_shared<NamedStream>(name, stream, state->plan->schema));
}

arrow::Result<Stream> as_stream(const Query& query) {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr plan, shown(query));
  if (!concerns(*plan)) {
    ARROW_RETURN_NOT_OK(plan::check_unique(*plan->schema));
    return Stream(Frame(plan));
  }
  ARROW_ASSIGN_OR_RAISE(const Part part, OverStreams().of(plan));
  std::vector<const stream::StreamTable*> seen;
  ARROW_RETURN_NOT_OK(check_read_once(*part.plan, seen));
  ARROW_RETURN_NOT_OK(plan::check_unique(*part.plan->schema));
  return part.stream ? *part.stream : Stream(Frame(part.plan));
}

arrow::Result<Query> as_table(Query query) {
  if (!concerns(*query.plan)) return query;
  std::vector<std::string> names;
  collect_streams(*query.plan, false, names);
  if (!names.empty())
    return base::plan_error("\"" + names[0] + "\" is a stream: a query over it gives a stream, not a table", "Stream.from_sql(...)");
  ARROW_ASSIGN_OR_RAISE(const Part part, OverStreams().of(query.plan));
  query.plan = part.plan;
  return query;
}

}  // namespace gristmill::sqltext
