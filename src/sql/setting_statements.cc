// SET, RESET and SHOW: how the statements of a session are run. Nothing here changes a result.

#include <algorithm>
#include <cctype>
#include <functional>

#include "base/settings.h"
#include "base/status.h"
#include "sql/scope.h"
#include "sql/statements.h"

namespace gristmill::sqltext {
namespace {

struct Setting {
  const char* name;
  const char* meaning;
  std::vector<const char*> also;
  std::function<arrow::Status(ParallelOptions&, const std::string&)> set;
  std::function<std::string(const ParallelOptions&)> show;
};

arrow::Result<int64_t> whole_number(const std::string& v) {
  if (v.empty() || v.size() > 18 || v.find_first_not_of("0123456789") != std::string::npos)
    return base::plan_error("a whole number of 0 or more is needed, not '" + v + "'");
  return std::stoll(v);
}

// A number and a unit out of a table; what the unit is worth.
arrow::Result<int64_t> with_unit(const std::string& v, const std::vector<std::pair<const char*, int64_t>>& units, const char* example) {
  size_t end = 0;
  while (end < v.size() && (std::isdigit(static_cast<unsigned char>(v[end])) || v[end] == '.')) ++end;
  size_t unit = end;
  while (unit < v.size() && v[unit] == ' ') ++unit;
  for (const auto& [name, worth] : units) {
    if (end == 0 || end > 15 || !equal_ignoring_case(v.substr(unit), name)) continue;
    const std::string digits = v.substr(0, end);
    if (std::count(digits.begin(), digits.end(), '.') > 1 || digits == ".") break;
    return static_cast<int64_t>(std::stod(digits) * static_cast<double>(worth));
  }
  return base::plan_error("cannot read '" + v + "'; write " + example);
}

arrow::Result<int64_t> milliseconds_of(const std::string& v) {
  return with_unit(v, {{"", 1}, {"ms", 1}, {"s", 1'000}, {"min", 60'000}, {"m", 60'000}, {"h", 3'600'000}},
                   "a time like '30s', or milliseconds");
}

arrow::Result<bool> flag(const std::string& v) {
  for (const char* yes : {"true", "on", "1", "yes"}) {
    if (equal_ignoring_case(v, yes)) return true;
  }
  for (const char* no : {"false", "off", "0", "no"}) {
    if (equal_ignoring_case(v, no)) return false;
  }
  return base::plan_error("true or false is needed, not '" + v + "'");
}

// `member` by a reader of texts.
template <typename T, typename Read>
std::function<arrow::Status(ParallelOptions&, const std::string&)> into(T ParallelOptions::* member, Read read) {
  return [member, read](ParallelOptions& o, const std::string& v) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto value, read(v));
    o.*member = static_cast<T>(value);
    return arrow::Status::OK();
  };
}

template <typename T>
std::function<std::string(const ParallelOptions&)> shown(T ParallelOptions::* member) {
  return [member](const ParallelOptions& o) -> std::string {
    if constexpr (std::is_same_v<T, bool>)
      return o.*member ? "true" : "false";
    else
      return std::to_string(o.*member);
  };
}

arrow::Result<int64_t> worker_count(const std::string& v) {
  ARROW_ASSIGN_OR_RAISE(const int64_t n, whole_number(v));
  if (n > 1024) return base::plan_error("at most 1024 workers");
  return n;
}

const std::vector<Setting>& settings() {
  using O = ParallelOptions;
  static const std::vector<Setting> kSettings = {
      {"threads",
       "workers of a query; 0: all cores",
       {"workers", "num_workers", "worker_threads"},
       into(&O::num_workers, worker_count),
       shown(&O::num_workers)},
      {"memory_limit",
       "bytes a query may hold; 0: the process's budget only",
       {"max_memory"},
       into(&O::memory_limit, base::parse_bytes),
       shown(&O::memory_limit)},
      {"timeout",
       "milliseconds a query may take; 0: any",
       {"statement_timeout"},
       [](O& o, const std::string& v) -> arrow::Status {
         ARROW_ASSIGN_OR_RAISE(const int64_t ms, milliseconds_of(v));
         o.timeout.reset();
         if (ms > 0) o.timeout = std::chrono::milliseconds(ms);
         return arrow::Status::OK();
       },
       [](const O& o) { return std::to_string(o.timeout ? o.timeout->count() : 0); }},
      {"batch_rows", "rows of a batch inside; 0: auto", {}, into(&O::batch_rows, whole_number), shown(&O::batch_rows)},
      {"chunk_rows", "rows of a morsel; 0: auto", {}, into(&O::chunk_rows, whole_number), shown(&O::chunk_rows)},
      {"chunk_bytes", "bytes of a morsel; 0: auto", {}, into(&O::chunk_bytes, base::parse_bytes), shown(&O::chunk_bytes)},
      {"min_parallel_rows", "fewer rows are one thread's", {}, into(&O::min_parallel_rows, whole_number), shown(&O::min_parallel_rows)},
      {"exact_float_sums",
       "false: float sums depend on the order of addition; faster",
       {},
       into(&O::exact_float_sums, flag),
       shown(&O::exact_float_sums)},
      {"ordered", "false: rows may come in any order", {"preserve_insertion_order"}, into(&O::ordered, flag), shown(&O::ordered)},
      {"pin_workers", "workers stay on their cores", {}, into(&O::pin_workers, flag), shown(&O::pin_workers)},
      {"timezone",
       "the session's zone, which is UTC",
       {"time zone"},
       [](O&, const std::string& v) {
         return equal_ignoring_case(v, "utc") ? arrow::Status::OK()
                                              : base::plan_error("the session's zone is UTC; convert with dt.convert_zone or AT TIME ZONE");
       },
       [](const O&) { return std::string("UTC"); }},
  };
  return kSettings;
}

arrow::Result<const Setting*> find_setting(const std::string& name) {
  std::vector<std::string> known;
  for (const Setting& s : settings()) {
    known.emplace_back(s.name);
    if (equal_ignoring_case(s.name, name)) return &s;
    for (const char* other : s.also) {
      if (equal_ignoring_case(other, name)) return &s;
    }
  }
  return base::plan_error("no setting \"" + name + "\"" + base::suggest_name(name, known));
}

arrow::Result<std::string> value_of(const PgQuery__VariableSetStmt& s) {
  std::string out;
  for (size_t i = 0; i < s.n_args; ++i) {
    const PgQuery__Node& n = *s.args[i];
    if (n.node_case != PG_QUERY__NODE__NODE_A_CONST || n.a_const->isnull) return base::plan_error("a setting's value must be a constant");
    switch (n.a_const->val_case) {
      case PG_QUERY__A__CONST__VAL_SVAL: out += n.a_const->sval->sval; break;
      case PG_QUERY__A__CONST__VAL_IVAL: out += std::to_string(n.a_const->ival->ival); break;
      case PG_QUERY__A__CONST__VAL_FVAL: out += n.a_const->fval->fval; break;
      case PG_QUERY__A__CONST__VAL_BOOLVAL: out += n.a_const->boolval->boolval ? "true" : "false"; break;
      default: return base::plan_error("a setting's value must be a constant");
    }
  }
  return out;
}

}  // namespace

arrow::Result<Outcome> run_set(const PgQuery__VariableSetStmt& s, const ParsedText& text, Work& work) {
  ParallelOptions& options = work.catalog.options;
  if (s.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
    options = {};
    return Outcome{"RESET", {}, -1};
  }
  if (s.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI || s.is_local) return text.error("this form of SET is not supported", -1);
  ARROW_ASSIGN_OR_RAISE(const Setting* setting, find_setting(s.name));
  if (s.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET || s.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT) {
    ARROW_RETURN_NOT_OK(setting->set(options, setting->show({})));
    return Outcome{"RESET", {}, -1};
  }
  ARROW_ASSIGN_OR_RAISE(const std::string value, value_of(s));
  if (const auto done = setting->set(options, value); !done.ok()) {
    return base::plan_error(std::string("setting ") + setting->name + ": " + done.message());
  }
  return Outcome{"SET", {}, -1};
}

arrow::Result<Outcome> run_show(const PgQuery__VariableShowStmt& s, Work& work) {
  if (std::string_view(s.name) == "all") {
    std::vector<std::string> names, values, meanings;
    for (const Setting& x : settings()) {
      names.emplace_back(x.name);
      values.push_back(x.show(work.catalog.options));
      meanings.emplace_back(x.meaning);
    }
    return Outcome{"SHOW", text_table({"name", "setting", "description"}, {names, values, meanings}), -1};
  }
  ARROW_ASSIGN_OR_RAISE(const Setting* setting, find_setting(s.name));
  return Outcome{"SHOW", text_table({setting->name}, {{setting->show(work.catalog.options)}}), -1};
}

}  // namespace gristmill::sqltext
