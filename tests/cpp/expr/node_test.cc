// Trees: text, names, equality, conjuncts, rewriting, JSON.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/bind.h"
#include "expr/json.h"
#include "expr/node.h"
#include "expr/registry.h"
#include "expression_text.h"
#include "gristmill/expr.h"

namespace gristmill::expr::testing {
namespace {

std::string shown(const std::string& expression) { return text(*read_expression(expression).ValueOrDie()); }

TEST(NodeText, PutsParenthesesAroundOperatorsOnly) {
  EXPECT_EQ(shown("(and (gt fare 10) (is_not_null zone))"), "(fare > 10) and zone is not null");
  EXPECT_EQ(shown("(and (and a b) c)"), "a and b and c");
  EXPECT_EQ(shown("(or (and a b) c)"), "(a and b) or c");
  EXPECT_EQ(shown("(sub a (sub b 1.0))"), "a - (b - 1.0)");
  EXPECT_EQ(shown("(case (eq a 'it''s') 1 null)"), "case when a = 'it''s' then 1 else null end");
  EXPECT_EQ(shown("(cast (add a 1) int32)"), "cast(a + 1 as int32)");
  EXPECT_EQ(shown("(agg.sum (mul a 2))"), "sum(a * 2)");
  EXPECT_EQ(shown("(is_in a 1 2)"), "a in (1, 2)");
  EXPECT_EQ(shown("(not (is_null a))"), "not a is null");
  EXPECT_EQ(text(*column("a b")), "\"a b\"");
}

TEST(NodeText, BinaryValuesNeedNotBeText) {
  const auto bytes = std::make_shared<arrow::BinaryScalar>(arrow::Buffer::FromString(std::string("v%\0\xff", 4)));
  EXPECT_EQ(text(*literal(bytes)), "'\\x762500ff'");
}

TEST(NodeNames, AreTheAliasTheLeftmostColumnOrTheFunction) {
  EXPECT_EQ(output_name(*read_expression("(add 1 (mul x y))").ValueOrDie()), "x");
  EXPECT_EQ(output_name(*alias(column("x"), "y")), "y");
  EXPECT_EQ(output_name(*aggregate("count", {})), "count");
  EXPECT_EQ(output_name(*read_expression("(agg.sum x)").ValueOrDie()), "x");
  EXPECT_EQ(output_name(*literal(int64_t{1})), "literal");
}

TEST(NodeColumns, AreListedOnceInOrder) {
  std::vector<std::string> names;
  collect_columns(*aggregate("sum", {read_expression("(add b (mul a b))").ValueOrDie()}, {}, column("c")), names);
  EXPECT_EQ(names, (std::vector<std::string>{"b", "a", "c"}));
}

TEST(NodeConjuncts, FlattenAndComeBack) {
  const NodePtr p = read_expression("(and (and a b) (or c d))").ValueOrDie();
  const auto parts = conjuncts(p);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(text(*conjunction(parts)), "a and b and (c or d)");
  EXPECT_EQ(conjunction({}), nullptr);
  EXPECT_TRUE(conjuncts(nullptr).empty());
}

TEST(NodeRewrite, SharesWhatDidNotChange) {
  const NodePtr p = read_expression("(add (mul a 2) (mul b 3))").ValueOrDie();
  const NodePtr q = rewrite(p, [](const NodePtr& n) { return n->kind == NodeKind::kColumn && n->name == "b" ? column("c") : n; });
  EXPECT_EQ(text(*q), "(a * 2) + (c * 3)");
  EXPECT_EQ(q->args[0], p->args[0]);
  EXPECT_EQ(rewrite(p, [](const NodePtr& n) { return n; }), p);
}

std::vector<std::shared_ptr<arrow::Scalar>> all_scalars() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {
      std::make_shared<arrow::DoubleScalar>(-0.0),
      std::make_shared<arrow::DoubleScalar>(nan),
      std::make_shared<arrow::DoubleScalar>(-nan),
      std::make_shared<arrow::DoubleScalar>(std::numeric_limits<double>::denorm_min()),
      std::make_shared<arrow::DoubleScalar>(0.1),
      std::make_shared<arrow::DoubleScalar>(1e300),
      std::make_shared<arrow::FloatScalar>(0.1f),
      std::make_shared<arrow::FloatScalar>(-std::numeric_limits<float>::infinity()),
      std::make_shared<arrow::Int64Scalar>(std::numeric_limits<int64_t>::min()),
      std::make_shared<arrow::UInt64Scalar>(std::numeric_limits<uint64_t>::max()),
      std::make_shared<arrow::Int8Scalar>(int8_t{-128}),
      std::make_shared<arrow::BooleanScalar>(true),
      std::make_shared<arrow::StringViewScalar>(std::string("quote \" slash \\ line \n zero ") + std::string(1, '\0') + "ä"),
      std::make_shared<arrow::StringViewScalar>(std::string("\xff\xfe")),
      std::make_shared<arrow::StringScalar>("plain utf8"),
      std::make_shared<arrow::BinaryViewScalar>(std::string("\x00\xff", 2)),
      std::make_shared<arrow::Date32Scalar>(-1),
      std::make_shared<arrow::TimestampScalar>(123456789, arrow::timestamp(arrow::TimeUnit::NANO, "Europe/Berlin")),
      std::make_shared<arrow::DurationScalar>(-5, arrow::duration(arrow::TimeUnit::MILLI)),
      std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128("-12345678901234567890123456789012345678"), arrow::decimal128(38, 10)),
      std::make_shared<arrow::NullScalar>(),
      arrow::MakeNullScalar(arrow::int16()),
      arrow::MakeNullScalar(arrow::list(arrow::utf8())),
  };
}

TEST(NodeJson, KeepsTypeAndBitsOfEveryLiteral) {
  for (const auto& scalar : all_scalars()) {
    for (const bool untyped : {false, true}) {
      const NodePtr n = literal(scalar, untyped);
      const std::string json = to_json(*n);
      auto back = from_json(json);
      ASSERT_TRUE(back.ok()) << json << ": " << back.status().ToString();
      EXPECT_TRUE(equal(*n, **back)) << json;
      EXPECT_EQ(to_json(**back), json);
      if (scalar->type->id() == arrow::Type::DOUBLE) {
        EXPECT_EQ(std::signbit(static_cast<const arrow::DoubleScalar&>(*(*back)->value).value),
                  std::signbit(static_cast<const arrow::DoubleScalar&>(*scalar).value))
            << json;
      }
    }
  }
}

TEST(NodeJson, KeepsEveryKindOfNode) {
  const NodePtr n = alias(aggregate("var",
                                    {call("round", {cast(column("a \"b\""), arrow::dictionary(arrow::int32(), arrow::utf8()), true)},
                                          {{"k", std::make_shared<arrow::Int64Scalar>(3)}})},
                                    {{"ddof", std::make_shared<arrow::Int64Scalar>(0)}}, call("not", {column("p")})),
                          "out");
  auto back = from_json(to_json(*n));
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_TRUE(equal(*n, **back)) << to_json(*n);
  EXPECT_FALSE(equal(*n, *n->args[0]));
}

TEST(NodeJson, SaysWhatIsWrong) {
  for (const char* bad :
       {"", "{", "[]", "{\"x\":1}", "{\"call\":\"add\"}", "{\"lit\":{\"value\":1}}", "{\"lit\":{\"type\":\"int64\",\"value\":\"x\"}}",
        "{\"cast\":{\"col\":\"a\"},\"to\":\"int65\"}", "{\"alias\":\"a\"}", "{\"lit\":{\"ipc\":\"0g\"}}", "{\"lit\":{\"ipc\":\"00\"}}"}) {
    EXPECT_FALSE(from_json(bad).ok()) << bad;
  }
}

TEST(Registry, IsSortedAndEveryFunctionIsExplained) {
  std::string last;
  for (const Function* f : all_functions()) {
    EXPECT_LT(last, f->name);
    last = f->name;
    EXPECT_FALSE(f->summary.empty() || f->example.empty() || f->family.empty()) << f->name;
    EXPECT_TRUE(f->bind) << f->name;
    EXPECT_EQ(f->run == nullptr, f->special != Special::kNone) << f->name;
    EXPECT_EQ(find_function(f->name), f);
  }
  EXPECT_EQ(find_function("nothing"), nullptr);
}

TEST(PublicExpr, BuildsTheSameNodes) {
  EXPECT_EQ(((col("fare") > 10) & col("zone").is_not_null()).to_string(), "(fare > 10) and zone is not null");
  EXPECT_EQ((col("fare") / col("km")).alias("per_km").to_string(), "fare / km as per_km");
  EXPECT_EQ(Expr(when(col("n") > 3).then("many").otherwise("few")).to_string(), "case when n > 3 then 'many' else 'few' end");
  EXPECT_EQ(Expr(when(col("n") > 3).then(1).when(col("n") > 2).then(2)).to_string(), "case when n > 3 then 1 when n > 2 then 2 end");
  EXPECT_EQ(col("a").sum().filter(col("b") == "x").to_string(), "sum(a) filter (where b = 'x')");
  EXPECT_EQ(col("s").str().substring(1, 2).to_string(), "str.substring(s, 1, 2)");
  EXPECT_EQ(col("a").std(0).to_string(), "std(a, ddof=0)");
  EXPECT_EQ(count().to_string(), "count()");
  EXPECT_EQ((!col("a")).to_string(), "not a");
}

TEST(BindAggregate, ChoosesTypes) {
  const auto schema = column::parse_schema("i:int8 u:uint64 f:float32 d:decimal(12,2) s:string b:bool l:list<int64>").ValueOrDie();
  const auto type = [&](const char* e) -> std::string {
    auto r = bind_aggregate(read_expression(e).ValueOrDie(), *schema);
    return r.ok() ? column::type_text(*r->args[0]->type) + " -> " + column::type_text(*r->type) : r.status().message();
  };
  EXPECT_EQ(type("(agg.sum i)"), "int64 -> int64");
  EXPECT_EQ(type("(agg.sum u)"), "uint64 -> int64");
  EXPECT_EQ(type("(agg.sum f)"), "float64 -> float64");
  EXPECT_EQ(type("(agg.sum d)"), "decimal(12,2) -> decimal(38,2)");
  EXPECT_EQ(type("(agg.sum b)"), "int64 -> int64");
  EXPECT_EQ(type("(agg.mean d)"), "decimal(12,2) -> float64");
  EXPECT_EQ(type("(agg.min s)"), "string -> string");
  EXPECT_EQ(type("(agg.first l)"), "list<int64> -> list<int64>");
  EXPECT_EQ(type("(agg.count l)"), "list<int64> -> int64");
  EXPECT_EQ(type("(agg.sum s)"), "sum takes numbers, got string in sum(s)");
  EXPECT_EQ(type("(agg.min l)"), "min takes values that have an order, got list<int64> in min(l)");
  EXPECT_EQ(type("(agg.maen i)"), "no aggregate \"maen\"; did you mean \"mean\"?");
}

TEST(Bind, FoldsConstantsThatDoNotFail) {
  const auto schema = column::parse_schema("a:int8!").ValueOrDie();
  const auto kind = [&](const char* e) { return expr::bind(read_expression(e).ValueOrDie(), *schema).ValueOrDie(); };
  EXPECT_EQ(kind("(add 1 (mul 2 3))")->kind, BoundKind::kConstant);
  EXPECT_EQ(kind("(sql_div 1 0)")->kind, BoundKind::kCall);
  EXPECT_TRUE(kind("(sql_div 1 0)")->fallible);
  EXPECT_TRUE(kind("(add a 1)")->fallible);
  EXPECT_FALSE(kind("(add (cast a float64) 1)")->fallible);
  EXPECT_FALSE(kind("(cast a int64)")->fallible);
  EXPECT_TRUE(kind("(cast a uint8)")->fallible);
  EXPECT_FALSE(kind("(try_cast a uint8)")->fallible);
  EXPECT_TRUE(kind("(try_cast a uint8)")->nullable);
  EXPECT_FALSE(kind("(add a 1)")->nullable);
  EXPECT_EQ(kind("(add a (neg 5))")->type->id(), arrow::Type::INT8);
}

}  // namespace
}  // namespace gristmill::expr::testing
