// SQL over streams that never end: what comes first is what it must be.

#include "gristmill/stream_sql.h"

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
