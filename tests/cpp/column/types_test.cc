#include "column/types.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "random_columns.h"

namespace gristmill::column {
namespace {

using testing::ok;

TEST(Types, TextAndTypeAreInverse) {
  for (const TypePtr& t : testing::all_types()) {
    EXPECT_TRUE(ok(parse_type(type_text(*t)))->Equals(*t)) << t->ToString();
  }
  for (const char* text :
       {"int64", "decimal(12,2)", "timestamp(us,UTC)", "timestamp(s)", "time", "time(ns)", "duration", "duration(s)", "list<string>",
        "struct<a:int64,b:string>", "map<string,list<date>>", "struct<\"a b\":int8>", "timestamp(us,Europe/Berlin)"}) {
    EXPECT_EQ(type_text(*ok(parse_type(text))), text);
  }
}

TEST(Types, BlanksAndDefaultsAreUnderstood) {
  EXPECT_EQ(type_text(*ok(parse_type(" struct < a : int64 , b : decimal( 5 ) > "))), "struct<a:int64,b:decimal(5,0)>");
  EXPECT_EQ(type_text(*ok(parse_type("timestamp"))), "timestamp(us)");
}

TEST(Types, BadTextsAreErrorsThatSayWhere) {
  for (const char* text :
       {"", "int65", "list<int64", "decimal(39,2)", "decimal(5,6)", "timestamp(minute)", "struct<a>", "int64 x", "map<string>", "\"a"}) {
    const auto r = parse_type(text);
    EXPECT_FALSE(r.ok()) << text;
    if (!r.ok()) {
      EXPECT_NE(r.status().ToString().find("character"), std::string::npos) << r.status().ToString();
    }
  }
}

TEST(Types, SchemasKnowRequiredFields) {
  const auto schema = ok(parse_schema("id:int64! fare:float64, \"the name\":string!  tags:list<string>"));
  ASSERT_EQ(schema->num_fields(), 4);
  EXPECT_FALSE(schema->field(0)->nullable());
  EXPECT_TRUE(schema->field(1)->nullable());
  EXPECT_EQ(schema->field(2)->name(), "the name");
  EXPECT_FALSE(schema->field(2)->nullable());
  EXPECT_EQ(type_text(*schema->field(3)->type()), "list<string>");
  EXPECT_FALSE(parse_schema("id int64").ok());
}

TEST(Types, CanonicalFormsOfBorderTypes) {
  const auto canonical = [](TypePtr t) { return canonical_type(t)->ToString(); };
  EXPECT_EQ(canonical(arrow::large_utf8()), "string_view");
  EXPECT_EQ(canonical(arrow::fixed_size_binary(16)), "binary_view");
  EXPECT_EQ(canonical(arrow::decimal64(10, 2)), "decimal128(10, 2)");
  EXPECT_EQ(canonical(arrow::dictionary(arrow::int8(), arrow::utf8())), "string_view");
  const auto a = arrow::list(arrow::field("element", arrow::utf8(), false)), b = arrow::list(arrow::field("item", arrow::utf8_view()));
  EXPECT_TRUE(canonical_type(a)->Equals(*canonical_type(b)));
}

TEST(Types, UncarriedTypesAreRefusedByName) {
  const auto r = physical_of(*arrow::decimal256(50, 2));
  ASSERT_FALSE(r.ok());
  EXPECT_TRUE(r.status().IsNotImplemented());
  EXPECT_NE(r.status().message().find("decimal256(50, 2)"), std::string::npos);
  EXPECT_FALSE(physical_of(*arrow::list(arrow::float16())).ok());
}

}  // namespace
}  // namespace gristmill::column
