// read_csv('trips/*.csv', delim => ';', header => false): the options of the readers, by the names of Python's and of DuckDB's. An
// option is given as name => value, name := value or name = value.

#include <algorithm>
#include <functional>
#include <map>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "gristmill/frame.h"
#include "sql/table_functions.h"

namespace gristmill::sqltext {
namespace {

// A constant of an option.
struct Value {
  std::vector<std::string> texts;  // of a list; one otherwise
  bool list = false, null = false;
};

struct Given {
  std::string name;
  const PgQuery__Node* node = nullptr;
  int location = -1;
};

class Call {
 public:
  Call(const PgQuery__FuncCall& f, std::string name, const ParsedText& text) : f_(f), name_(std::move(name)), text_(text) {}

  arrow::Status read() {
    if (f_.n_args == 0) return error("takes a file, a pattern, or a list of them");
    ARROW_ASSIGN_OR_RAISE(const Value v, value(*f_.args[0], f_.location));
    if (v.null || v.texts.empty()) return error("takes a file, a pattern, or a list of them");
    files = v.texts;
    for (size_t i = 1; i < f_.n_args; ++i) {
      Given g;
      const PgQuery__Node& n = *f_.args[i];
      if (n.node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR) {
        g = {n.named_arg_expr->name, n.named_arg_expr->arg, n.named_arg_expr->location};
      } else if (n.node_case == PG_QUERY__NODE__NODE_A_EXPR && n.a_expr->n_name == 1 &&
                 std::string_view(n.a_expr->name[0]->string->sval) == "=" && n.a_expr->lexpr &&
                 n.a_expr->lexpr->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && n.a_expr->lexpr->column_ref->n_fields == 1) {
        const PgQuery__ColumnRef& c = *n.a_expr->lexpr->column_ref;
        g = {c.fields[0]->string->sval, n.a_expr->rexpr, c.location};
      } else {
        return error("takes its options by name: " + name_ + "('file', option => value)");
      }
      given_.push_back(g);
    }
    return arrow::Status::OK();
  }

  arrow::Status error(const std::string& message) const { return text_.error(name_ + " " + message, f_.location); }

  using Setter = std::function<arrow::Status(const Value&)>;
  using Setters = std::map<std::string, Setter>;

  arrow::Status apply(const Setters& setters) const {
    for (const Given& g : given_) {
      const auto found = setters.find(g.name);
      if (found == setters.end()) {
        std::vector<std::string> known;
        for (const auto& [n, s] : setters) known.push_back(n);
        return text_.error(name_ + " has no option \"" + g.name + "\"" + base::suggest_name(g.name, known), g.location);
      }
      ARROW_ASSIGN_OR_RAISE(const Value v, value(*g.node, g.location));
      if (const auto s = found->second(v); !s.ok())
        return text_.error("option " + g.name + " of " + name_ + ": " + s.message(), g.location);
    }
    return arrow::Status::OK();
  }

  std::vector<std::string> files;

 private:
  arrow::Result<Value> value(const PgQuery__Node& n, int location) const {
    Value out;
    switch (n.node_case) {
      case PG_QUERY__NODE__NODE_A_CONST: {
        const PgQuery__AConst& c = *n.a_const;
        out.null = c.isnull;
        if (c.isnull) return out;
        switch (c.val_case) {
          case PG_QUERY__A__CONST__VAL_SVAL: out.texts = {c.sval->sval}; return out;
          case PG_QUERY__A__CONST__VAL_IVAL: out.texts = {std::to_string(c.ival->ival)}; return out;
          case PG_QUERY__A__CONST__VAL_BOOLVAL: out.texts = {c.boolval->boolval ? "true" : "false"}; return out;
          case PG_QUERY__A__CONST__VAL_FVAL: out.texts = {c.fval->fval}; return out;
          default: break;
        }
        break;
      }
      case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        out.list = true;
        for (size_t i = 0; i < n.a_array_expr->n_elements; ++i) {
          ARROW_ASSIGN_OR_RAISE(const Value one, value(*n.a_array_expr->elements[i], location));
          if (one.list || one.null) return text_.error("a list of texts is needed here", location);
          out.texts.push_back(one.texts[0]);
        }
        return out;
      case PG_QUERY__NODE__NODE_A_EXPR:  // -1
        if (!n.a_expr->lexpr && n.a_expr->rexpr) {
          ARROW_ASSIGN_OR_RAISE(out, value(*n.a_expr->rexpr, location));
          if (out.texts.size() == 1) out.texts[0] = "-" + out.texts[0];
          return out;
        }
        break;
      case PG_QUERY__NODE__NODE_COLUMN_REF:  // header = auto
        if (n.column_ref->n_fields == 1 && n.column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING) {
          out.texts = {n.column_ref->fields[0]->string->sval};
          return out;
        }
        break;
      default: break;
    }
    return text_.error("an option of " + name_ + " must be a constant", location);
  }

  const PgQuery__FuncCall& f_;
  const std::string name_;
  const ParsedText& text_;
  std::vector<Given> given_;
};

arrow::Result<std::string> one_text(const Value& v) {
  if (v.list || v.null || v.texts.size() != 1) return base::plan_error("one value is needed");
  return v.texts[0];
}

Call::Setter into(bool& out) {
  return [&out](const Value& v) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto s, one_text(v));
    if (s != "true" && s != "false" && s != "1" && s != "0") return base::plan_error("true or false is needed, not " + s);
    out = s == "true" || s == "1";
    return arrow::Status::OK();
  };
}

Call::Setter into(std::optional<bool>& out) {
  return [&out](const Value& v) -> arrow::Status {
    if (v.null || (v.texts.size() == 1 && v.texts[0] == "auto")) {
      out.reset();
      return arrow::Status::OK();
    }
    bool b = false;
    ARROW_RETURN_NOT_OK(into(b)(v));
    out = b;
    return arrow::Status::OK();
  };
}

Call::Setter into(std::string& out) {
  return [&out](const Value& v) { return one_text(v).Value(&out); };
}

arrow::Result<int64_t> whole_number(const Value& v) {
  ARROW_ASSIGN_OR_RAISE(const auto s, one_text(v));
  if (s.empty() || s.size() > 18 || s.find_first_not_of("0123456789", s[0] == '-' ? 1 : 0) != std::string::npos)
    return base::plan_error("a whole number is needed, not " + s);
  return std::stoll(s);
}

Call::Setter into(int64_t& out) {
  return [&out](const Value& v) { return whole_number(v).Value(&out); };
}

// -1 and NULL: all of it.
Call::Setter into(std::optional<int64_t>& out) {
  return [&out](const Value& v) -> arrow::Status {
    out.reset();
    if (v.null) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const int64_t n, whole_number(v));
    if (n >= 0) out = n;
    return arrow::Status::OK();
  };
}

arrow::Result<char> one_character(const Value& v) {
  ARROW_ASSIGN_OR_RAISE(auto s, one_text(v));
  if (s == "\\t") s = "\t";
  if (s.size() != 1) return base::plan_error("one character is needed, not \"" + s + "\"");
  return s[0];
}

Call::Setter into(char& out) {
  return [&out](const Value& v) { return one_character(v).Value(&out); };
}

Call::Setter into(std::optional<char>& out) {
  return [&out](const Value& v) -> arrow::Status {
    out.reset();
    if (v.null || (v.texts.size() == 1 && v.texts[0].empty())) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(out, one_character(v));
    return arrow::Status::OK();
  };
}

Call::Setter into(std::vector<std::string>& out) {
  return [&out](const Value& v) {
    out = v.texts;
    return arrow::Status::OK();
  };
}

// 'a:int64 b:string', or a list of such.
Call::Setter into(ColumnTypes& out) {
  return [&out](const Value& v) -> arrow::Status {
    for (const std::string& text : v.texts) {
      ARROW_ASSIGN_OR_RAISE(const auto schema, column::parse_schema(text));
      for (const auto& f : schema->fields()) out.emplace_back(f->name(), column::type_text(*f->type()));
    }
    return arrow::Status::OK();
  };
}

Call::Setter into(OnError& out) {
  return [&out](const Value& v) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto s, one_text(v));
    if (s != "fail" && s != "null" && s != "skip") return base::plan_error("'fail', 'null' or 'skip' is needed, not '" + s + "'");
    out = s == "fail" ? OnError::kFail : s == "null" ? OnError::kNull : OnError::kSkip;
    return arrow::Status::OK();
  };
}

Call::Setter skip_errors(OnError& out) {
  return [&out](const Value& v) -> arrow::Status {
    bool skip = false;
    ARROW_RETURN_NOT_OK(into(skip)(v));
    out = skip ? OnError::kSkip : OnError::kFail;
    return arrow::Status::OK();
  };
}

void add_file_options(Call::Setters& s, FileOptions& files) {
  s["hive_partitioning"] = into(files.hive_partitioning);
  s["hive_schema"] = s["hive_types"] = into(files.hive_schema);
  for (const char* key : {"endpoint", "region", "access_key", "secret_key", "session_token", "path_style", "anonymous", "ca_file",
                          "timeout_ms", "connect_timeout_ms", "retries"}) {
    s[key] = into(files.storage[key]);
  }
}

// Storage options that nobody named come from the environment, so they must not be there as empty texts.
void drop_unset(FileOptions& files) {
  std::erase_if(files.storage, [](const auto& entry) { return entry.second.empty(); });
}

arrow::Result<Frame> csv(const Call& call, bool tabs) {
  CsvOptions o;
  if (tabs) o.separator = '\t';
  std::string decimal;
  Call::Setters s;
  s["delim"] = s["delimiter"] = s["sep"] = s["separator"] = into(o.separator);
  s["header"] = s["has_header"] = into(o.has_header);
  s["quote"] = s["quote_char"] = into(o.quote_char);
  s["escape"] = s["escape_char"] = into(o.escape_char);
  s["comment"] = s["comment_prefix"] = into(o.comment_prefix);
  s["skip"] = s["skip_rows"] = into(o.skip_rows);
  s["names"] = s["column_names"] = into(o.column_names);
  s["schema"] = s["columns"] = into(o.schema);
  s["types"] = s["dtypes"] = s["schema_overrides"] = into(o.schema_overrides);
  s["nullstr"] = s["null_values"] = into(o.null_values);
  s["empty_is_null"] = into(o.empty_is_null);
  s["true_values"] = into(o.true_values);
  s["false_values"] = into(o.false_values);
  s["decimal_comma"] = into(o.decimal_comma);
  s["decimal_separator"] = into(decimal);
  s["trim"] = into(o.trim);
  s["try_parse_dates"] = into(o.try_parse_dates);
  s["on_error"] = into(o.on_error);
  s["ignore_errors"] = skip_errors(o.on_error);
  s["missing_columns"] = s["null_padding"] = into(o.missing_columns);
  s["extra_columns"] = into(o.extra_columns);
  s["infer_rows"] = s["sample_size"] = into(o.infer_rows);
  s["encoding"] = into(o.encoding);
  s["compression"] = into(o.compression);
  add_file_options(s, o.files);
  ARROW_RETURN_NOT_OK(call.apply(s));
  drop_unset(o.files);
  if (decimal == ",") o.decimal_comma = true;
  return scan_csv(call.files, std::move(o));
}

arrow::Result<Frame> ndjson(const Call& call) {
  NdjsonOptions o;
  std::string format;
  Call::Setters s;
  s["schema"] = s["columns"] = into(o.schema);
  s["types"] = s["schema_overrides"] = into(o.schema_overrides);
  s["try_parse_dates"] = into(o.try_parse_dates);
  s["on_error"] = into(o.on_error);
  s["ignore_errors"] = skip_errors(o.on_error);
  s["extra_columns"] = into(o.extra_columns);
  s["infer_rows"] = s["sample_size"] = into(o.infer_rows);
  s["compression"] = into(o.compression);
  s["format"] = into(format);
  add_file_options(s, o.files);
  ARROW_RETURN_NOT_OK(call.apply(s));
  drop_unset(o.files);
  if (!format.empty() && format != "auto" && format != "newline_delimited") {
    return call.error("reads one JSON object a line; format '" + format + "' is not supported");
  }
  return scan_ndjson(call.files, std::move(o));
}

using ScanFiles = Frame (*)(const std::vector<std::string>&, const FileOptions&);

arrow::Result<Frame> columnar(const Call& call, ScanFiles scan) {
  FileOptions o;
  bool by_name = false;
  Call::Setters s;
  s["union_by_name"] = into(by_name);
  add_file_options(s, o);
  ARROW_RETURN_NOT_OK(call.apply(s));
  drop_unset(o);
  if (by_name) o.schema_evolution = SchemaEvolution::kUnion;
  return scan(call.files, o);
}

bool one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

arrow::Result<std::optional<plan::PlanPtr>> read_files(const PgQuery__FuncCall& f, const std::string& name, const ParsedText& text) {
  const bool text_file = one_of(name, {"read_csv", "read_csv_auto", "read_tsv"}),
             json = one_of(name, {"read_json", "read_json_auto", "read_ndjson"});
  const bool parquet = one_of(name, {"read_parquet", "parquet_scan"}), ipc = one_of(name, {"read_ipc", "read_arrow", "read_feather"});
  if (!text_file && !json && !parquet && !ipc) return std::nullopt;
  Call call(f, name, text);
  ARROW_RETURN_NOT_OK(call.read());
  auto frame = text_file ? csv(call, name == "read_tsv") : json ? ndjson(call) : columnar(call, parquet ? ScanFiles{scan_parquet} : ScanFiles{scan_ipc});
  ARROW_RETURN_NOT_OK(frame.status());
  const auto& plan = frame->plan();
  if (plan.ok()) return *plan;
  if (base::error_kind(plan.status()) == base::ErrorKind::kIo) return plan.status();
  return text.error(plan.status().message(), f.location);
}

}  // namespace gristmill::sqltext
