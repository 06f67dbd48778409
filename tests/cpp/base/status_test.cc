// Kinds survive, positions are shown, names are suggested.
#include "base/status.h"

#include <gtest/gtest.h>

namespace gristmill::base {
namespace {

TEST(Status, KeepsItsKindAndHasTheArrowCodeOfIt) {
  struct Case {
    arrow::Status status;
    ErrorKind kind;
    arrow::StatusCode code;
  };
  const Case cases[] = {
      {plan_error("m"), ErrorKind::kPlan, arrow::StatusCode::Invalid},
      {data_error("m"), ErrorKind::kData, arrow::StatusCode::Invalid},
      {io_error("m"), ErrorKind::kIo, arrow::StatusCode::IOError},
      {memory_error("m"), ErrorKind::kMemory, arrow::StatusCode::OutOfMemory},
      {cancelled_error("m"), ErrorKind::kCancelled, arrow::StatusCode::Cancelled},
      {timeout_error("m"), ErrorKind::kTimeout, arrow::StatusCode::Cancelled},
      {internal_error("m"), ErrorKind::kInternal, arrow::StatusCode::UnknownError},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(error_kind(c.status), c.kind);
    EXPECT_EQ(c.status.code(), c.code);
    EXPECT_EQ(c.status.message(), "m");
    ASSERT_NE(error_detail(c.status), nullptr);
    EXPECT_EQ(error_detail(c.status)->kind, c.kind);
  }
}

TEST(Status, IsClassifiedByItsCodeWhenItHasNoDetail) {
  EXPECT_EQ(error_detail(arrow::Status::Invalid("m")), nullptr);
  EXPECT_EQ(error_kind(arrow::Status::OutOfMemory("m")), ErrorKind::kMemory);
  EXPECT_EQ(error_kind(arrow::Status::IOError("m")), ErrorKind::kIo);
  EXPECT_EQ(error_kind(arrow::Status::Cancelled("m")), ErrorKind::kCancelled);
  EXPECT_EQ(error_kind(arrow::Status::Invalid("m")), ErrorKind::kData);
  EXPECT_EQ(error_kind(arrow::Status::NotImplemented("m")), ErrorKind::kPlan);
  EXPECT_EQ(error_kind(arrow::Status::UnknownError("m")), ErrorKind::kInternal);
}

TEST(Status, KeepsCodeAndMessageWhenItsDetailIsReplaced) {
  const arrow::Status before = data_error("cannot parse", "x", 7);
  ErrorDetail detail = *error_detail(before);
  EXPECT_EQ(detail.value, "x");
  EXPECT_EQ(detail.batch_row, 7);
  detail.row = 1007;
  const arrow::Status after = with_detail(before, detail);
  EXPECT_EQ(after.code(), before.code());
  EXPECT_EQ(after.message(), "cannot parse");
  EXPECT_EQ(error_detail(after)->row, 1007);
  EXPECT_EQ(error_detail(before)->row, -1);
  EXPECT_TRUE(with_detail(arrow::Status::OK(), detail).ok());
}

TEST(Status, ShowsThePositionThatIsKnownAndNothingElse) {
  ErrorDetail detail;
  EXPECT_EQ(detail.ToString(), "");
  detail.file = "a.csv";
  detail.row = 12;
  detail.column = "fare";
  detail.value = "x";
  detail.hint = "write a number";
  EXPECT_EQ(detail.ToString(), "file a.csv, row 12, column \"fare\", value \"x\"; write a number");
  detail.kind = ErrorKind::kData;
  EXPECT_EQ(describe_error(with_detail(data_error("not a number"), detail)),
            "not a number (file a.csv, row 12, column \"fare\", value \"x\"); write a number");
  EXPECT_EQ(describe_error(plan_error("no column \"fair\"", suggest_name("fair", {"fare"}))), "no column \"fair\"; did you mean \"fare\"?");
  EXPECT_EQ(describe_error(arrow::Status::Invalid("plain")), "plain");
}

TEST(Status, CutsLongValuesAtACharacterAndEscapesControlCharacters) {
  ErrorDetail detail;
  detail.value = "a\n\x01\"";
  EXPECT_EQ(detail.ToString(), "value \"a\\n\\x01\\\"\"");
  detail.value = std::string(119, 'a') + "\xC3\xA4" + std::string(100, 'b');
  EXPECT_EQ(detail.ToString(), "value \"" + std::string(119, 'a') + "\"...");
}

TEST(SuggestName, OffersTheClosestName) {
  EXPECT_EQ(suggest_name("fair", {"id", "fare", "tip"}), "; did you mean \"fare\"?");
  EXPECT_EQ(suggest_name("tpi", {"id", "fare", "tip"}), "; did you mean \"tip\"?");  // a swap is one edit
  EXPECT_EQ(suggest_name("passenger_cuont", {"passenger_count"}), "; did you mean \"passenger_count\"?");
}

TEST(SuggestName, PrefersTheNameThatDiffersOnlyInCase) {
  EXPECT_EQ(suggest_name("FARE", {"care", "fare"}), "; did you mean \"fare\"?");
  EXPECT_EQ(suggest_name("Fare", {"Fark", "fare"}), "; did you mean \"fare\"?");
  EXPECT_EQ(suggest_name("FARe", {"fare", "FARE"}), "; did you mean \"FARE\"?");  // then the closer spelling
}

TEST(SuggestName, ListsTheNamesWhenNothingIsClose) {
  EXPECT_EQ(suggest_name("zebra", {"a", "b", "c"}), "; known: a, b, c");
  EXPECT_EQ(suggest_name("zebra", {}), "");
  std::vector<std::string> many;
  for (int i = 0; i < 12; ++i) many.push_back("n" + std::to_string(i));
  EXPECT_EQ(suggest_name("zebra", many), "; known: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, ...");
}

}  // namespace
}  // namespace gristmill::base
