// SQL over streams, giving a stream.
//
//   Stream clicks = with_watermark(from_kafka("clicks", {...}), "ts", {.delay = "5s"});
//   Stream per_minute = sql_stream(
//       "select window_start, page, count(*) as clicks from tumble(clicks, ts, interval '1 minute') group by window_start, page",
//       {{"clicks", clicks}});
//
// What works over streams that never end: selecting, filtering, computing; GROUP BY with tumble(), hop() or session() of the stream's time;
// joins with tables, on whichever side they stand; UNION ALL of streams; DISTINCT and LIMIT. Anything that would wait for the end is an
// error that names it. The same text over tables with the same rows gives the same rows; only their order may differ.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gristmill/sql.h"
#include "gristmill/stream.h"

namespace gristmill {

// Names are found in `streams`, then in `tables`, then as files. How it is run (parallel(), checkpoint(), ...) is as the first stream in
// FROM says, and can be said anew of the result.
Stream sql_stream(const std::string& text, const std::vector<std::pair<std::string, Stream>>& streams,
                  const std::vector<std::pair<std::string, Frame>>& tables = {}, const SqlParameters& parameters = {});

}  // namespace gristmill
