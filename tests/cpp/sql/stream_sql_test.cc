// SQL over streams that never end: what comes first is what it must be.

#include "gristmill/stream_sql.h"

#include <algorithm>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "../stream/stream_data.h"
#include "gristmill/session.h"
#include "gristmill/stream_time.h"

namespace gristmill {
namespace {

using stream::test::counting;

Stream timed(int32_t partitions, uint64_t seed) { return with_watermark(counting(partitions, -1, seed), "n"); }

std::shared_ptr<arrow::Table> first_of(const Stream& stream, int64_t rows, int workers) {
  auto table = stream.parallel({.num_workers = workers, .threshold = 0}).take(rows);
  EXPECT_TRUE(table.ok()) << table.status().ToString();
  return table.ok() ? (*table->arrow())->CombineChunks().ValueOrDie() : nullptr;
}

TEST(StreamSql, AStreamOnTheRightOfATableIsJoinedAllTheSame) {
  const Frame tens = sql("select i * 10 as ten, 'x' || i as name from range(1000) as r(i)");
  for (const int workers : {1, 3}) {
    const Stream made =
        sql_stream("select n, name from tens right join a on ten = n where n % 5 = 0", {{"a", timed(1, 3)}}, {{"tens", tens}});
    const auto table = first_of(made, 7, workers);
    ASSERT_NE(table, nullptr);
    EXPECT_EQ((*table->column(0)->GetScalar(6))->ToString(), "30");
    EXPECT_EQ((*table->column(1)->GetScalar(6))->ToString(), "x3");
    EXPECT_FALSE((*table->column(1)->GetScalar(5))->is_valid);
  }
}

TEST(StreamSql, TwoStreamsAreJoinedWithinATime) {
  const std::string query = "select a.n, b.n as m from a join b on a.n % 7 = b.n % 7 and b.n between a.n - 7 and a.n + 7";
  for (const int workers : {1, 3}) {
    const auto table = first_of(sql_stream(query, {{"a", timed(1, 1)}, {"b", timed(2, 5)}}), 3'000, workers);
    ASSERT_NE(table, nullptr);
    std::map<int64_t, std::vector<int64_t>> met;
    const auto n = std::static_pointer_cast<arrow::Int64Array>(table->column(0)->chunk(0));
    const auto m = std::static_pointer_cast<arrow::Int64Array>(table->column(1)->chunk(0));
    for (int64_t i = 0; i < table->num_rows(); ++i) met[n->Value(i)].push_back(m->Value(i) - n->Value(i));
    for (auto& [time, apart] : met) {
      std::sort(apart.begin(), apart.end());
      if (time >= 900) break;  // the later ones are not complete
      EXPECT_EQ(apart, time < 7 ? (std::vector<int64_t>{0, 7}) : (std::vector<int64_t>{-7, 0, 7})) << time;
    }
  }
}

TEST(StreamSql, DistinctRemembersWhatCame) {
  const auto table = first_of(sql_stream("select distinct n % 3 as r from a", {{"a", timed(1, 5)}}), 3, 2);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ((*table->column(0)->GetScalar(2))->ToString(), "2");
}

TEST(StreamSql, SessionsKeepStreamsUnderTheirNames) {
  Session session;
  ASSERT_TRUE(session.set_table("numbers", timed(1, 1)).ok());
  ASSERT_TRUE(session.execute("create view few as select n from numbers where n >= 40").ok());
  const auto table = first_of(session.stream("select n + 1 as m from few limit 5"), 1, 1);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ((*table->column(0)->GetScalar(0))->ToString(), "41");
  const auto as_frame = session.sql("select * from few").collect();
  EXPECT_NE(as_frame.status().message().find("\"numbers\" is a stream"), std::string::npos) << as_frame.status().ToString();
}

}  // namespace
}  // namespace gristmill
