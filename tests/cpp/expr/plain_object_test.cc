// The quick way through JSON objects gives what the parser gives, or refuses.

#include "expr/plain_object.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "expr/jsonb_text.h"

namespace gristmill::expr {
namespace {

// Sorted and printed, or the error's number.
std::string by_parser(const std::string& text) {
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(text);
  simdjson::ondemand::document document;
  std::vector<TextEntry> entries;
  auto error = parser.iterate(padded).get(document);
  if (!error) error = read_text_entries(document, entries);
  if (error) return "error";
  sort_entries(entries);
  std::string out;
  append_object(entries, out);
  return out;
}

std::string quickly(const std::string& text) {
  std::vector<PlainEntry> entries;
  if (!read_plain_object(text, entries)) return "refused";
  sort_plain_entries(entries);
  std::string out;
  append_plain_object(entries, out);
  return out;
}

TEST(PlainObject, TakesLabels) {
  EXPECT_EQ(quickly(R"({"b":"1","a":"x y","b":"2","n":null})"), R"({"a":"x y","b":"2","n":null})");
  EXPECT_EQ(quickly(" {\n} "), "{}");
  EXPECT_EQ(quickly(R"({"app.kubernetes.io/part-of" : "a-long-value-of-many-bytes/with:signs" , "" : ""})"),
            R"({"":"","app.kubernetes.io/part-of":"a-long-value-of-many-bytes/with:signs"})");
}

TEST(PlainObject, LeavesWhatNeedsASecondLook) {
  for (const char* text :
       {"", "[]", "{", R"({"a":1})", R"({"a":true})", R"({"a":"\n"})", R"({"a":"é"})", "{\"a\":\"\x01\"}", R"({"a":"b"}x)", R"({"a":"b",})",
        R"({"a" "b"})", R"({"a":nullx})", R"({"a":"b" "c":"d"})", R"({"a":"unclosed)", R"({,})"}) {
    EXPECT_EQ(quickly(text), "refused") << text;
  }
  std::vector<PlainEntry> entries = {{"kept", "1"}};
  EXPECT_FALSE(read_plain_object(R"({"a":"b","c":1})", entries));
  EXPECT_EQ(entries.size(), 1u);
}

TEST(PlainObject, AgreesWithTheParser) {
  std::mt19937 random(7);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const auto text = [&] {
    std::string out = "\"";
    for (int i = below(20); i > 0; --i) out += static_cast<char>(below(40) == 0 ? 0x20 + below(96) : 'a' + below(26));
    return out + "\"";
  };
  int taken = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string json = "{";
    for (int i = below(8), n = i; i > 0; --i) {
      if (i < n) json += below(50) == 0 ? " " : ",";
      if (below(9) == 0) json += "\t ";
      json += below(3) == 0 ? "\"k\"" : text();
      json += below(80) == 0 ? "" : ": ";
      json += below(20) == 0 ? "null" : below(60) == 0 ? "12" : text();
    }
    json += below(60) == 0 ? "" : "}";
    const std::string quick = quickly(json);
    if (quick == "refused") continue;
    ++taken;
    ASSERT_EQ(quick, by_parser(json)) << json;
  }
  EXPECT_GT(taken, 50'000);
}

}  // namespace
}  // namespace gristmill::expr
