// The live view, cell by cell, at several sizes of terminals.

#include "job/live/view_text.h"

#include <gtest/gtest.h>

#include "frame/text_width.h"
#include "job/live/samples.h"

namespace gristmill::job {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

TEST(ViewText, AWideTerminal) {
  EXPECT_EQ(joined(view_lines(running_sample(), {.width = 100, .height = 40})),
            R"(orders  running  0:12  ████████████████████████▎░░░░░░░░░░░░░░░ 60%  ETA 0:08
in   14.9M rows  1.23M rows/s   1.19 GB   98.1 MB/s
out  14.8M rows  1.22M rows/s    310 MB   25.6 MB/s
filtered 100k  rejected 12  retries 3  errors cast 12
step                   rows in  rows out    rows/s        time
csv                                14.9M     1.23M       9.3 s  ███████████████████████████▌░░
cast                     14.9M     14.9M     1.23M       3.1 s  █████████▏░░░░░░░░░░░░░░░░░░░░
filter                   14.9M     14.8M     1.23M      420 ms  █▏░░░░░░░░░░░░░░░░░░░░░░░░░░░░
parquet                  14.8M     14.8M     1.22M        10 s  ██████████████████████████████
memory  █░░░░░░░░░ 120 MB of 1.20 GB  peak 140 MB  resident 183 MB
ring    ██████▎░░░ 5 of 8 slots
cpu     0  ███████▍  93%  1  ███████░  88%
group 0 █████████▎  92%  2 workers  steals 12
batch   p50 812 us  p99 2.10 ms  1.83k batches
)");
}

TEST(ViewText, EightyCellsWithoutUnicode) {
  EXPECT_EQ(joined(view_lines(running_sample(), {.width = 80, .height = 24, .unicode = false})),
            R"(orders  running  0:12  ######################............... 60%  ETA 0:08
in   14.9M rows  1.23M rows/s   1.19 GB   98.1 MB/s
out  14.8M rows  1.22M rows/s    310 MB   25.6 MB/s
filtered 100k  rejected 12  retries 3  errors cast 12
step                   rows in  rows out    rows/s        time
csv                                14.9M     1.23M       9.3 s  ############..
cast                     14.9M     14.9M     1.23M       3.1 s  ####..........
filter                   14.9M     14.8M     1.23M      420 ms  ..............
parquet                  14.8M     14.8M     1.22M        10 s  ##############
memory  #......... 120 MB of 1.20 GB  peak 140 MB  resident 183 MB
ring    ######.... 5 of 8 slots
cpu     0  #######.  93%  1  #######.  88%
group 0 #########.  92%  2 workers  steals 12
batch   p50 812 us  p99 2.10 ms  1.83k batches
)");
}

TEST(ViewText, ANarrowTerminal) {
  EXPECT_EQ(joined(view_lines(running_sample(), {.width = 40, .height = 24})), R"(orders  running  0:12  60%  ETA 0:08
in   14.9M rows  1.23M rows/s
out  14.8M rows  1.22M rows/s
filtered 100k  rejected 12  retries 3  …
step                rows/s        time
csv                  1.23M       9.3 s
cast                 1.23M       3.1 s
filter               1.23M      420 ms
parquet              1.22M        10 s
memory  120 MB of 1.20 GB  peak 140 MB
ring    5 of 8 slots
cpu     0  ███████▍  93%
        1  ███████░  88%
group 0 █████████▎  92%  steals 12
batch   p50 812 us  p99 2.10 ms  1.83k …
)");
}

TEST(ViewText, ALowTerminalKeepsWhatMattersMost) {
  EXPECT_EQ(joined(view_lines(running_sample(), {.width = 100, .height = 8})),
            R"(orders  running  0:12  ████████████████████████▎░░░░░░░░░░░░░░░ 60%  ETA 0:08
in   14.9M rows  1.23M rows/s   1.19 GB   98.1 MB/s
out  14.8M rows  1.22M rows/s    310 MB   25.6 MB/s
filtered 100k  rejected 12  retries 3  errors cast 12
step                   rows in  rows out    rows/s        time
csv                                14.9M     1.23M       9.3 s  ███████████████████████████▌░░
cast                     14.9M     14.9M     1.23M       3.1 s  █████████▏░░░░░░░░░░░░░░░░░░░░
)");
}

TEST(ViewText, ColoursSurroundPiecesAndEndWithThem) {
  Sample s;
  s.now.name = "j";
  s.now.phase = JobPhase::kFailed;
  s.now.message = "the disk is full";
  const std::vector<std::string> lines = view_lines(s, {.width = 60, .height = 24, .colours = true});
  ASSERT_GE(lines.size(), 2u);
  EXPECT_EQ(lines[0], "\x1b[1mj\x1b[0m  \x1b[31mfailed\x1b[0m  0:00");
  EXPECT_EQ(lines[1], "\x1b[31mthe disk is full\x1b[0m");
}

TEST(ViewText, NeverTooWideNorTooHigh) {
  Sample sample = running_sample();
  sample.now.name = "a job with a long name that does not fit 表計算 anywhere at all";
  sample.now.message = std::string(500, 'x');
  sample.now.phase = JobPhase::kDraining;
  for (int i = 0; i < 60; ++i) sample.cores.push_back({i + 2, 0.5});
  for (int width = 1; width <= 140; ++width) {
    for (const int height : {1, 2, 3, 5, 9, 24}) {
      for (const bool unicode : {true, false}) {
        const auto lines = view_lines(sample, {.width = width, .height = height, .unicode = unicode});
        EXPECT_LE(lines.size(), static_cast<size_t>(std::max(height - 1, 1)));
        for (const std::string& line : lines) EXPECT_LE(frame::text_width(line), width) << line;
      }
    }
  }
}

TEST(ViewText, WithColoursTheSameCellsAreShown) {
  for (int width = 1; width <= 120; ++width) {
    const auto plain = view_lines(running_sample(), {.width = width, .height = 24});
    const auto inked = view_lines(running_sample(), {.width = width, .height = 24, .colours = true});
    ASSERT_EQ(plain.size(), inked.size());
    for (size_t i = 0; i < plain.size(); ++i) {
      std::string bare;
      for (size_t at = 0; at < inked[i].size(); ++at) {
        if (inked[i][at] == '\x1b') {
          while (inked[i][at] != 'm') ++at;
        } else {
          bare += inked[i][at];
        }
      }
      bare.erase(bare.find_last_not_of(' ') + 1);
      EXPECT_EQ(bare, plain[i]);
    }
  }
}

TEST(ViewText, NamesCannotMoveTheCursor) {
  Sample s = running_sample();
  s.now.name = "evil\x1b[2Jname\r\n";
  s.now.steps[0].name = "\x1b]0;title\x07";
  for (const std::string& line : view_lines(s, {.width = 200, .height = 40}))
    EXPECT_EQ(line.find_first_of("\x1b\r\n\x07"), std::string::npos) << line;
  EXPECT_EQ(plain_line(s).find('\x1b'), std::string::npos);
}

TEST(ViewText, AStallIsSaid) {
  Sample s = running_sample();
  s.now.seconds_since_progress = 12.5;
  EXPECT_EQ(view_lines(s, {.width = 100, .height = 40})[1], "nothing has moved for 0:12");
}

TEST(ViewText, ManyCoresTakeACellEach) {
  Sample s = running_sample();
  s.cores.clear();
  for (int i = 0; i < 12; ++i) s.cores.push_back({i, i / 11.0});
  const std::string all = joined(view_lines(s, {.width = 100, .height = 40}));
  EXPECT_NE(all.find("cpu     6 of 12 cores  ▁▁▂▃▃▄▅▆▆▇██\n"), std::string::npos) << all;
}

TEST(ViewText, ALineForLogs) {
  EXPECT_EQ(
      plain_line(running_sample()),
      "orders: running 0:12, in 14.9M rows (1.23M/s), out 14.8M rows (1.22M/s), 60%, ETA 0:08, filtered 100k, rejected 12, retries 3, "
      "errors cast 12, memory 120 MB");
  EXPECT_EQ(plain_line(Sample{}), "job: starting 0:00, in 0 rows (0/s), out 0 rows (0/s)");
}

}  // namespace
}  // namespace gristmill::job
