// COPY: a query or a table into a file, a file into a table. The format is told by the option FORMAT, else by the file's ending.

#include <algorithm>
#include <functional>
#include <map>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "sql/files.h"
#include "sql/lower_select.h"
#include "sql/over_streams.h"
#include "sql/statements.h"

namespace gristmill::sqltext {
namespace {

// The options by name; values as texts, a list as several.
struct CopyOption {
  std::string name;
  std::vector<std::string> values;  // empty: named alone, which is true
  int location = -1;
};

arrow::Status add_value(const PgQuery__Node& n, CopyOption& out, const ParsedText& text) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_STRING: out.values.emplace_back(n.string->sval); return arrow::Status::OK();
    case PG_QUERY__NODE__NODE_INTEGER: out.values.push_back(std::to_string(n.integer->ival)); return arrow::Status::OK();
    case PG_QUERY__NODE__NODE_FLOAT: out.values.emplace_back(n.float_->fval); return arrow::Status::OK();
    case PG_QUERY__NODE__NODE_BOOLEAN: out.values.emplace_back(n.boolean->boolval ? "true" : "false"); return arrow::Status::OK();
    case PG_QUERY__NODE__NODE_A_STAR: out.values.emplace_back("*"); return arrow::Status::OK();
    case PG_QUERY__NODE__NODE_LIST:
      for (size_t i = 0; i < n.list->n_items; ++i) ARROW_RETURN_NOT_OK(add_value(*n.list->items[i], out, text));
      return arrow::Status::OK();
    default: return text.error("option " + out.name + " of COPY must be a constant", out.location);
  }
}

class CopyOptions {
 public:
  static arrow::Result<CopyOptions> read(const PgQuery__CopyStmt& s, const ParsedText& text) {
    CopyOptions out(text);
    for (size_t i = 0; i < s.n_options; ++i) {
      const PgQuery__DefElem& d = *s.options[i]->def_elem;
      CopyOption o{d.defname, {}, d.location};
      if (d.arg) ARROW_RETURN_NOT_OK(add_value(*d.arg, o, text));
      out.all_.push_back(std::move(o));
    }
    return out;
  }

  // The format, lower case; taken out of the options.
  arrow::Result<std::string> format(const std::string& file) {
    for (auto o = all_.begin(); o != all_.end(); ++o) {
      if (o->name != "format") continue;
      std::string name = o->values.empty() ? "" : o->values[0];
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      if (name == "json" || name == "jsonl") name = "ndjson";
      if (name == "arrow" || name == "feather") name = "ipc";
      for (const char* known : {"csv", "parquet", "ndjson", "ipc"}) {
        if (name != known) continue;
        all_.erase(o);
        return name;
      }
      return text_.error("COPY has no format \"" + name + "\"; there are parquet, csv, json and arrow", o->location);
    }
    const std::string told = format_of(file);
    if (told.empty())
      return base::plan_error("cannot tell the format of \"" + file + "\" from its name", "say (format parquet), csv, json or arrow");
    return told;
  }

  using Setter = std::function<arrow::Status(const CopyOption&)>;
  arrow::Status apply(const std::map<std::string, Setter>& setters, const std::string& format) const {
    for (const CopyOption& o : all_) {
      const auto found = setters.find(o.name);
      if (found == setters.end()) {
        std::vector<std::string> known;
        for (const auto& [n, s] : setters) known.push_back(n);
        return text_.error("COPY has no option \"" + o.name + "\" for " + format + (known.empty() ? "" : base::suggest_name(o.name, known)),
                           o.location);
      }
      if (const auto s = found->second(o); !s.ok()) return text_.error("option " + o.name + " of COPY: " + s.message(), o.location);
    }
    return arrow::Status::OK();
  }

 private:
  explicit CopyOptions(const ParsedText& text) : text_(text) {}
  const ParsedText& text_;
  std::vector<CopyOption> all_;
};

arrow::Result<bool> flag(const CopyOption& o) {
  if (o.values.empty()) return true;
  std::string v = o.values[0];
  std::transform(v.begin(), v.end(), v.begin(), [](unsigned char c) { return std::tolower(c); });
  if (v == "true" || v == "on" || v == "1") return true;
  if (v == "false" || v == "off" || v == "0") return false;
  return base::plan_error("true or false is needed, not " + v);
}

arrow::Result<std::string> one(const CopyOption& o) {
  if (o.values.size() != 1) return base::plan_error("one value is needed");
  return o.values[0];
}

arrow::Result<char> character(const CopyOption& o) {
  ARROW_ASSIGN_OR_RAISE(std::string v, one(o));
  if (v == "\\t") v = "\t";
  if (v.size() != 1) return base::plan_error("one character is needed, not \"" + v + "\"");
  return v[0];
}

CopyOptions::Setter into(std::string& out) {
  return [&out](const CopyOption& o) { return one(o).Value(&out); };
}
CopyOptions::Setter into(char& out) {
  return [&out](const CopyOption& o) { return character(o).Value(&out); };
}
CopyOptions::Setter into(bool& out) {
  return [&out](const CopyOption& o) { return flag(o).Value(&out); };
}

CopyOptions::Setter into(std::optional<int>& out) {
  return [&out](const CopyOption& o) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const std::string v, one(o));
    if (v.empty() || v.size() > 4 || v.find_first_not_of("-0123456789") != std::string::npos)
      return base::plan_error("a whole number is needed, not " + v);
    out = std::stoi(v);
    return arrow::Status::OK();
  };
}

arrow::Result<int64_t> write_file(const Frame& frame, const std::string& file, CopyOptions options, Work& work) {
  ARROW_ASSIGN_OR_RAISE(const std::string format, options.format(file));
  const ParallelOptions& run = work.catalog.options;
  std::map<std::string, CopyOptions::Setter> setters;
  if (format == "csv") {
    CsvWriteOptions o;
    if (file.find(".tsv") != std::string::npos) o.separator = '\t';
    setters["delimiter"] = setters["delim"] = setters["sep"] = setters["separator"] = into(o.separator);
    setters["header"] = into(o.include_header);
    setters["quote"] = into(o.quote_char);
    setters["null"] = setters["nullstr"] = into(o.null_value);
    setters["date_format"] = setters["dateformat"] = into(o.date_format);
    setters["timestamp_format"] = setters["timestampformat"] = into(o.datetime_format);
    setters["compression"] = into(o.compression);
    setters["compression_level"] = into(o.compression_level);
    setters["force_quote"] = [&](const CopyOption& v) -> arrow::Status {
      if (v.values != std::vector<std::string>{"*"}) return base::plan_error("only * is supported: every value is quoted");
      o.quote_style = QuoteStyle::kAlways;
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(options.apply(setters, format));
    return frame.sink_csv(file, run, work.cancel, {}, o);
  }
  if (format == "ndjson") {
    NdjsonWriteOptions o;
    setters["omit_nulls"] = into(o.omit_nulls);
    setters["compression"] = into(o.compression);
    setters["compression_level"] = into(o.compression_level);
    ARROW_RETURN_NOT_OK(options.apply(setters, format));
    return frame.sink_ndjson(file, run, work.cancel, {}, o);
  }
  ARROW_RETURN_NOT_OK(options.apply(setters, format));
  return format == "parquet" ? frame.sink_parquet(file, run, work.cancel) : frame.sink_ipc(file, run, work.cancel);
}

arrow::Result<Frame> read_file(const StoredTable& table, const std::vector<int>& target, const std::string& file, CopyOptions options) {
  ARROW_ASSIGN_OR_RAISE(const std::string format, options.format(file));
  ColumnTypes types;
  for (const int c : target) {
    const auto& f = table.schema()->field(c);
    types.emplace_back(f->name(), column::type_text(*column::canonical_type(f->type())));
  }
  std::map<std::string, CopyOptions::Setter> setters;
  if (format == "csv") {
    CsvOptions o;
    o.has_header.reset();
    std::string null;
    bool header = false, told = false;
    if (file.find(".tsv") != std::string::npos) o.separator = '\t';
    setters["delimiter"] = setters["delim"] = setters["sep"] = setters["separator"] = into(o.separator);
    setters["header"] = [&](const CopyOption& v) {
      told = true;
      return flag(v).Value(&header);
    };
    setters["quote"] = [&](const CopyOption& v) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(o.quote_char, character(v));
      return arrow::Status::OK();
    };
    setters["escape"] = [&](const CopyOption& v) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(o.escape_char, character(v));
      return arrow::Status::OK();
    };
    setters["null"] = setters["nullstr"] = into(null);
    setters["compression"] = into(o.compression);
    setters["encoding"] = into(o.encoding);
    ARROW_RETURN_NOT_OK(options.apply(setters, format));
    if (told) o.has_header = header;
    if (!null.empty()) o.null_values = {null};
    o.schema = std::move(types);
    return scan_csv(file, std::move(o));
  }
  ARROW_RETURN_NOT_OK(options.apply(setters, format));
  if (format == "ndjson") return scan_ndjson(file, {.schema = std::move(types)});
  return format == "parquet" ? scan_parquet(file) : scan_ipc(file);
}

}  // namespace

arrow::Result<Outcome> run_copy(const PgQuery__CopyStmt& s, const ParsedText& text, Work& work) {
  const std::string file = s.filename ? s.filename : "";
  if (s.is_program) return text.error("COPY from or to a program is not supported", -1);
  if (file.empty()) return text.error("COPY needs a file: the standard input and output are not supported", -1);
  if (s.where_clause) return text.error("COPY ... WHERE is not supported; insert a query over the file", -1);
  ARROW_ASSIGN_OR_RAISE(CopyOptions options, CopyOptions::read(s, text));
  if (!s.is_from) {
    if (s.query && s.query->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
      return text.error("COPY writes the rows of a query or a table", -1);
    Query query;
    const TableLookup tables = lookup_in(work.catalog, work.input);
    if (s.query) {
      ARROW_ASSIGN_OR_RAISE(query, lower_query(*s.query->select_stmt, text, tables));
    } else {
      auto found = tables(text.table_name(s.relation->relname));
      if (!found.ok()) return text.error(found.status().message(), s.relation->location);
      query = std::move(*found);
      std::vector<expr::NodePtr> outputs;
      for (size_t i = 0; i < s.n_attlist; ++i) {
        const std::string name = s.attlist[i]->string->sval;
        const auto at = std::find(query.names.begin(), query.names.end(), name);
        if (at == query.names.end())
          return text.error("no column \"" + name + "\"" + base::suggest_name(name, query.names), s.relation->location);
        outputs.push_back(expr::column(query.plan->schema->field(static_cast<int>(at - query.names.begin()))->name()));
      }
      if (!outputs.empty()) {
        ARROW_ASSIGN_OR_RAISE(auto plan, plan::make_project(query.plan, std::move(outputs)));
        query = query_over(std::move(plan));
      }
    }
    ARROW_ASSIGN_OR_RAISE(query, as_table(std::move(query)));
    ARROW_ASSIGN_OR_RAISE(auto plan, shown(query));
    ARROW_ASSIGN_OR_RAISE(const int64_t rows, write_file(Frame(std::move(plan)), file, std::move(options), work));
    return Outcome{"COPY", {}, rows};
  }
  ARROW_ASSIGN_OR_RAISE(StoredTable * table, stored_table(*s.relation, text, work));
  std::vector<int> target;
  for (size_t i = 0; i < s.n_attlist; ++i) {
    const std::string name = s.attlist[i]->string->sval;
    target.push_back(table->schema()->GetFieldIndex(name));
    if (target.back() < 0)
      return text.error("no column \"" + name + "\"" + base::suggest_name(name, table->schema()->field_names()), s.relation->location);
  }
  if (target.empty()) {
    for (int i = 0; i < table->schema()->num_fields(); ++i) target.push_back(i);
  }
  ARROW_ASSIGN_OR_RAISE(const Frame rows, read_file(*table, target, file, std::move(options)));
  ARROW_ASSIGN_OR_RAISE(const auto plan, rows.plan());
  if (plan->schema->num_fields() != static_cast<int>(target.size())) {
    return text.error(
        "the file has " + std::to_string(plan->schema->num_fields()) + " columns, the table takes " + std::to_string(target.size()),
        s.relation->location);
  }
  std::vector<expr::NodePtr> outputs;
  for (int i = 0; i < table->schema()->num_fields(); ++i) {
    const auto at = std::find(target.begin(), target.end(), i);
    expr::NodePtr e = expr::null_literal();
    if (at != target.end()) e = expr::column(plan->schema->field(static_cast<int>(at - target.begin()))->name());
    outputs.push_back(expr::alias(std::move(e), table->schema()->field(i)->name()));
  }
  ARROW_ASSIGN_OR_RAISE(auto fitted, plan::make_project(plan, std::move(outputs)));
  ARROW_ASSIGN_OR_RAISE(const int64_t n, insert_rows(*table, Frame(std::move(fitted)), work));
  return Outcome{"COPY", {}, n};
}

}  // namespace gristmill::sqltext
