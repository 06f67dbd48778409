#include "sql/event_windows.h"

#include <array>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "sql/interval.h"
#include "sql/interval_value.h"
#include "stream/event_time.h"

namespace gristmill::sqltext {
namespace {

using Kind = EventWindows::Kind;

struct Form {
  const char* name;
  Kind kind;
  size_t least, most;  // arguments behind the time
  const char* takes;
};
constexpr std::array<Form, 3> kForms = {{
    {"tumble", Kind::kTumble, 1, 2, "a time column, a length and perhaps an offset: tumble(ts, interval '1 minute')"},
    {"hop", Kind::kHop, 2, 3,
     "a time column, the step, the length and perhaps an offset: hop(ts, interval '1 minute', interval '10 minutes')"},
    {"session", Kind::kSession, 1, 1, "a time column and the gap that ends a session: session(ts, interval '30 minutes')"},
}};

const Form* form_of(const std::string& function) {
  for (const Form& f : kForms) {
    if (function == f.name) return &f;
  }
  return nullptr;
}

const char* name_of(Kind kind) {
  for (const Form& f : kForms) {
    if (f.kind == kind) return f.name;
  }
  return "windows";
}

// ts, clicks.ts, descriptor(ts).
arrow::Result<std::string> time_column(const PgQuery__Node& given, const Form& form, const Scope& scope, const ParsedText& text) {
  const PgQuery__Node* n = &given;
  if (n->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && n->func_call->n_funcname == 1 && n->func_call->n_args == 1 &&
      std::string_view(n->func_call->funcname[0]->string->sval) == "descriptor") {
    n = n->func_call->args[0];
  }
  const int place = n->node_case == PG_QUERY__NODE__NODE_COLUMN_REF ? n->column_ref->location : -1;
  if (n->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || n->column_ref->n_fields > 2)
    return text.error(std::string(form.name) + " takes " + form.takes, place);
  std::array<std::string, 2> names;
  for (size_t i = 0; i < n->column_ref->n_fields; ++i) {
    const PgQuery__Node& field = *n->column_ref->fields[i];
    if (field.node_case != PG_QUERY__NODE__NODE_STRING) return text.error(std::string(form.name) + " takes " + form.takes, place);
    names[2 - n->column_ref->n_fields + i] = field.string->sval;
  }
  const auto found = scope.find(names[0], names[1]);
  if (!found.ok()) return text.error(found.status().message(), place);
  return (*found)->column;
}

// interval '1 minute', '90s', 100.
arrow::Result<std::string> length_of(const PgQuery__Node& n, const Form& form, const ParsedText& text) {
  if (n.node_case == PG_QUERY__NODE__NODE_A_CONST) {
    if (n.a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL) return std::to_string(n.a_const->ival->ival);
    if (n.a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL) return std::string(n.a_const->sval->sval);
    if (n.a_const->val_case == PG_QUERY__A__CONST__VAL_FVAL) return std::string(n.a_const->fval->fval);  // an integer past 32 bits
  }
  if (!is_interval_expression(&n) || n.node_case != PG_QUERY__NODE__NODE_TYPE_CAST)
    return text.error(
        "the lengths of " + std::string(form.name) + " are constants: interval '1 minute', or a whole number for integer times", -1);
  ARROW_ASSIGN_OR_RAISE(const Interval length, interval_of(*n.type_cast, text));
  if (length.months != 0)
    return text.error("months and years have no fixed length; give the windows of " + std::string(form.name) + " in days, hours, ...",
                      n.type_cast->location);
  int64_t micros = 0;
  if (__builtin_mul_overflow(length.days, int64_t{86400} * 1000000, &micros) || __builtin_add_overflow(micros, length.micros, &micros))
    return text.error("this interval is too long", n.type_cast->location);
  if (micros < 0) return text.error("the lengths of " + std::string(form.name) + " must not be negative", n.type_cast->location);
  return std::to_string(micros) + "us";
}

}  // namespace

std::string EventWindows::text() const {
  std::string out = std::string(name_of(kind)) + "(" + time;
  if (kind == Kind::kHop) out += ", " + slide;
  out += ", " + size;
  if (!offset.empty()) out += ", " + offset;
  return out + ")";
}

arrow::Result<WindowTicks> ticks_of_windows(const EventWindows& w, const arrow::Schema& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto time, stream::bind_time(w.time, rows));
  WindowTicks out;
  ARROW_ASSIGN_OR_RAISE(out.size, stream::ticks_of(w.size, *time->type, w.kind == Kind::kSession ? "the gap" : "the length"));
  if (w.kind == Kind::kHop) {
    ARROW_ASSIGN_OR_RAISE(out.slide, stream::ticks_of(w.slide, *time->type, "the step"));
  }
  if (!w.offset.empty()) {
    ARROW_ASSIGN_OR_RAISE(out.offset, stream::ticks_of(w.offset, *time->type, "the offset"));
  }
  if (out.size == 0 || (w.kind == Kind::kHop && out.slide == 0))
    return base::plan_error("the lengths of " + std::string(name_of(w.kind)) + " must be more than nothing");
  return out;
}

bool makes_windows(const std::string& function) { return form_of(function) != nullptr; }

std::string window_edge(const std::string& function) {
  for (const char* edge : {"start", "end"}) {
    const std::string behind = std::string("_") + edge;
    if (function.ends_with(behind) && makes_windows(function.substr(0, function.size() - behind.size()))) return edge;
  }
  return {};
}

arrow::Result<EventWindows> read_windows(const PgQuery__FuncCall& call, const std::string& function, size_t first, const Scope& scope,
                                         const ParsedText& text) {
  const Form& form = *form_of(function);
  const size_t given = call.n_args < first + 1 ? 0 : call.n_args - first - 1;
  if (given < form.least || given > form.most) {
    const std::string table = first > 0 ? "a table, then " : "";
    return text.error(function + " takes " + table + form.takes, call.location);
  }
  EventWindows out;
  out.kind = form.kind;
  ARROW_ASSIGN_OR_RAISE(out.time, time_column(*call.args[first], form, scope, text));
  std::vector<std::string> lengths;
  for (size_t i = first + 1; i < call.n_args; ++i) {
    ARROW_ASSIGN_OR_RAISE(std::string one, length_of(*call.args[i], form, text));
    lengths.push_back(std::move(one));
  }
  size_t at = 0;
  if (out.kind == Kind::kHop) out.slide = lengths[at++];
  out.size = lengths[at++];
  if (at < lengths.size()) out.offset = lengths[at];
  return out;
}

expr::NodePtr whole_window(const EventWindows& w) {
  return expr::call("struct.pack", {expr::literal(std::string_view("start")), expr::column(w.start), expr::literal(std::string_view("end")),
                                    expr::column(w.end)});
}

arrow::Result<expr::NodePtr> window_value(const PgQuery__FuncCall& call, const std::string& function, const Scope& scope,
                                          const ParsedText& text) {
  const std::string edge = window_edge(function);
  const std::string maker = edge.empty() ? function : function.substr(0, function.size() - edge.size() - 1);
  if (!scope.windows) {
    return text.error(
        function + "() needs " + maker + "(...) in GROUP BY, or FROM " + maker + "(table, ...) and its window_start and window_end",
        call.location);
  }
  const EventWindows& here = *scope.windows;
  EventWindows asked = here;
  if (call.n_args > 0 || edge.empty()) {
    ARROW_ASSIGN_OR_RAISE(asked, read_windows(call, maker, 0, scope, text));
    asked.start = here.start;
    asked.end = here.end;
  }
  if (maker != name_of(here.kind) || !(asked == here))
    return text.error("the windows of this query are " + here.text() + ", not " + asked.text(), call.location);
  if (edge.empty()) return whole_window(here);
  return expr::column(edge == "start" ? here.start : here.end);
}

WindowedRows::WindowedRows(plan::PlanPtr input, EventWindows windows, std::shared_ptr<arrow::Schema> schema)
    : input_(std::move(input)), windows_(std::move(windows)), schema_(std::move(schema)) {}

arrow::Result<plan::PlanPtr> WindowedRows::over(plan::PlanPtr input, EventWindows windows) {
  ARROW_RETURN_NOT_OK(ticks_of_windows(windows, *input->schema).status());
  arrow::FieldVector fields = input->schema->fields();
  const auto type = input->schema->GetFieldByName(windows.time)->type();
  fields.push_back(arrow::field(windows.start, type));
  fields.push_back(arrow::field(windows.end, type));
  return plan::make_scan(std::make_shared<WindowedRows>(std::move(input), std::move(windows), arrow::schema(std::move(fields))));
}

arrow::Result<std::shared_ptr<plan::Scan>> WindowedRows::open(const plan::ScanRequest&) const {
  return base::plan_error(name() + " cannot stand in this place of a query", "put it into FROM or GROUP BY of a query of its own");
}

const WindowedRows* windowed_rows(const plan::Plan& p) {
  return p.kind == plan::PlanKind::kScan ? dynamic_cast<const WindowedRows*>(p.source.get()) : nullptr;
}

}  // namespace gristmill::sqltext
