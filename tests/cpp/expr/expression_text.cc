#include "expression_text.h"

#include <cctype>

#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "expr/bind.h"
#include "expr/evaluate.h"

namespace gristmill::expr::testing {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  arrow::Result<NodePtr> expression() {
    skip();
    if (at_ == text_.size()) return arrow::Status::Invalid("expression expected in ", text_);
    if (text_[at_] == '(') return list();
    if (text_[at_] == '\'') {
      ARROW_ASSIGN_OR_RAISE(std::string s, quoted());
      return literal(std::string_view(s));
    }
    return atom(word());
  }

  bool done() {
    skip();
    return at_ == text_.size();
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  std::string word() {  // parentheses inside a word belong to a type: decimal(10,2)
    std::string out;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (depth == 0 && (std::isspace(static_cast<unsigned char>(c)) || c == ')' || c == '\'')) break;
      depth += c == '(';
      depth -= c == ')';
      out += c;
    }
    return out;
  }

  arrow::Result<std::string> quoted() {
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\'') {
        if (at_ + 1 == text_.size() || text_[at_ + 1] != '\'') {
          ++at_;
          return out;
        }
        ++at_;
      }
      out += text_[at_];
    }
    return arrow::Status::Invalid("a quote is missing in ", text_);
  }

  arrow::Result<NodePtr> list() {
    ++at_;
    skip();
    const std::string name = word();
    std::vector<NodePtr> args;
    std::shared_ptr<arrow::DataType> type;
    const bool is_cast = name == "cast" || name == "try_cast" || name == "round_cast";
    for (;;) {
      skip();
      if (at_ == text_.size()) return arrow::Status::Invalid("a parenthesis is missing in ", text_);
      if (text_[at_] == ')') break;
      if (is_cast && args.size() == 1) {
        ARROW_ASSIGN_OR_RAISE(type, column::parse_type(word()));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(NodePtr a, expression());
      args.push_back(std::move(a));
    }
    ++at_;
    if (is_cast) {
      NodePtr n = cast(args.at(0), type, name == "try_cast");
      if (name != "round_cast") return n;
      auto rounding = std::make_shared<Node>(*n);
      rounding->options = {{"round", std::make_shared<arrow::BooleanScalar>(true)}};
      return rounding;
    }
    if (name.starts_with("agg.")) return aggregate(name.substr(4), std::move(args));
    return call(name, std::move(args));
  }

  arrow::Result<NodePtr> atom(const std::string& w) {
    if (w == "true" || w == "false") return literal(w == "true");
    if (w == "null") return null_literal();
    if (const size_t colon = w.find(':'); colon != std::string::npos) {
      std::string value = w.substr(colon + 1);
      if (value.empty() && at_ < text_.size() && text_[at_] == '\'') {
        ARROW_ASSIGN_OR_RAISE(value, quoted());
      }
      return typed(w.substr(0, colon), value);
    }
    const char c = w.size() > 1 && w[0] == '-' ? w[1] : w[0];
    if (!std::isdigit(static_cast<unsigned char>(c)) && w != "nan" && w != "inf" && w != "-inf") return column(w);
    if (w.find_first_of(".en") == std::string::npos) return literal(static_cast<int64_t>(std::stoll(w)));
    return literal(std::stod(w));
  }

  arrow::Result<NodePtr> typed(const std::string& type_name, const std::string& value) {
    ARROW_ASSIGN_OR_RAISE(auto type, column::parse_type(type_name));
    NodePtr n = value == "null" ? cast(null_literal(), type) : cast(literal(std::string_view(value)), type);
    ARROW_ASSIGN_OR_RAISE(BoundPtr b, expr::bind(n, arrow::Schema(arrow::FieldVector())));
    if (!b->value) return arrow::Status::Invalid("cannot read ", value, " as ", type_name);
    return literal(b->value, false);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

arrow::Result<NodePtr> read_expression(std::string_view text) {
  Reader r(text);
  ARROW_ASSIGN_OR_RAISE(NodePtr n, r.expression());
  if (!r.done()) return arrow::Status::Invalid("more text than an expression: ", text);
  return n;
}

std::vector<std::string> split_values(std::string_view line) {
  std::vector<std::string> out;
  for (size_t i = 0; i < line.size();) {
    if (std::isspace(static_cast<unsigned char>(line[i]))) {
      ++i;
      continue;
    }
    std::string v;
    if (line[i] == '\'') {
      for (++i; i < line.size(); ++i) {
        if (line[i] == '\'') {
          if (i + 1 == line.size() || line[i + 1] != '\'') break;
          ++i;
        }
        v += line[i];
      }
      ++i;
      v = "'" + v;  // marks a quoted value
    } else {
      while (i < line.size() && !std::isspace(static_cast<unsigned char>(line[i]))) v += line[i++];
    }
    out.push_back(std::move(v));
  }
  return out;
}

arrow::Result<Table> read_table(std::string_view schema_text, const std::vector<std::string>& rows) {
  Table t;
  ARROW_ASSIGN_OR_RAISE(t.schema, column::parse_schema(schema_text));
  const auto n = static_cast<int64_t>(rows.size());
  const int columns = t.schema->num_fields();
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders(static_cast<size_t>(columns));
  for (int c = 0; c < columns; ++c) {
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), t.schema->field(c)->type(), &builders[static_cast<size_t>(c)]));
  }
  for (const std::string& row : rows) {
    const auto values = split_values(row);
    if (static_cast<int>(values.size()) != columns) return arrow::Status::Invalid("a row of ", values.size(), " values: ", row);
    for (int c = 0; c < columns; ++c) {
      auto& builder = *builders[static_cast<size_t>(c)];
      const std::string& v = values[static_cast<size_t>(c)];
      if (v == "null") {
        ARROW_RETURN_NOT_OK(builder.AppendNull());
        continue;
      }
      const std::string text = v[0] == '\'' ? v.substr(1) : v;
      const auto& type = t.schema->field(c)->type();
      const NodePtr plain = literal(std::string_view(text));  // durations are read as their counts
      const NodePtr value = type->id() == arrow::Type::DURATION ? cast(plain, arrow::int64()) : plain;
      ARROW_ASSIGN_OR_RAISE(BoundPtr b, expr::bind(cast(value, type), arrow::Schema(arrow::FieldVector())));
      if (!b->value) return arrow::Status::Invalid("cannot read ", text);
      ARROW_RETURN_NOT_OK(builder.AppendScalar(*b->value));
    }
  }
  t.batch.rows = n;
  for (auto& b : builders) {
    ARROW_ASSIGN_OR_RAISE(auto array, b->Finish());
    t.batch.columns.push_back(column::Column::flat(array->data()));
  }
  return t;
}

}  // namespace gristmill::expr::testing
