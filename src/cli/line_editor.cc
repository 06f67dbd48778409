// Every key draws the whole text anew, from the row where it began. Lines are wrapped here, so that the terminal never does it by
// itself and rows can be counted.

#include "cli/line_editor.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/terminal.h"
#include "frame/text_width.h"

namespace gristmill::cli {
namespace {

constexpr int kNothing = -1, kEscape = 27, kEscapeWaitMs = 50;
constexpr char kPasteOn[] = "\x1b[?2004h", kPasteOff[] = "\x1b[?2004l";

constexpr int control(char c) { return c & 0x1f; }

void emit(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) at += static_cast<size_t>(n);
  }
}

// The next byte; kNothing at the end of input, or when none comes within `wait_ms` (negative: for ever).
int next_byte(int wait_ms = -1) {
  pollfd p{STDIN_FILENO, POLLIN, 0};
  while (true) {
    const int ready = poll(&p, 1, wait_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return kNothing;
    unsigned char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    return n == 1 ? c : kNothing;
  }
}

int columns() { return static_cast<int>(terminal_columns(80)); }

class RawMode {
 public:
  RawMode() {
    ok_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!ok_) return;
    termios raw = before_;
    raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_cflag |= CS8;
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    ok_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    if (ok_) emit(kPasteOn);
  }
  ~RawMode() {
    if (!ok_) return;
    emit(kPasteOff);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  bool ok() const { return ok_; }

 private:
  termios before_{};
  bool ok_ = false;
};

size_t length_of_point(unsigned char c) { return c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2; }

std::string common_prefix(const std::vector<std::string>& all) {
  std::string out = all[0];
  for (const std::string& s : all) {
    size_t n = 0;
    while (n < out.size() && n < s.size() && out[n] == s[n]) ++n;
    out.resize(n);
  }
  return out;
}

}  // namespace

void LineEditor::show(const std::string& text, size_t cursor, const std::string& prompt) {
  const int width = columns();
  std::string out;
  if (cursor_row_ > 0) out += "\x1b[" + std::to_string(cursor_row_) + "A";
  out += "\r\x1b[J" + prompt;
  int row = 0, column = static_cast<int>(frame::text_width(prompt));
  int to_row = 0, to_column = column;
  const auto wrap = [&] {
    out += "\r\n";
    ++row;
    column = 0;
  };
  for (size_t at = 0; at <= text.size();) {
    if (column >= width) wrap();
    if (at == cursor) to_row = row, to_column = column;
    if (at == text.size()) break;
    if (text[at] == '\n') {
      wrap();
      out += behaviour_.continuation;
      column = static_cast<int>(frame::text_width(behaviour_.continuation));
      ++at;
      continue;
    }
    const size_t n = std::min(length_of_point(static_cast<unsigned char>(text[at])), text.size() - at);
    const std::string point = text.substr(at, n);
    const int cells = static_cast<int>(frame::text_width(point));
    if (column + cells > width) wrap();
    out += point;
    column += cells;
    at += n;
  }
  rows_ = row + 1;
  if (row > to_row) out += "\x1b[" + std::to_string(row - to_row) + "A";
  out += "\r";
  if (to_column > 0) out += "\x1b[" + std::to_string(to_column) + "C";
  cursor_row_ = to_row;
  emit(out);
}

void LineEditor::draw() { show(buffer_.text(), buffer_.cursor(), behaviour_.prompt); }

// The cursor goes below the text, which stays.
void LineEditor::leave_text() {
  buffer_.end();
  draw();
  emit("\r\n");
  cursor_row_ = 0;
}

LineEditor::Answer LineEditor::read(std::string& out) {
  const RawMode raw;
  buffer_.set("");
  entry_ = history_.size();
  cursor_row_ = 0;
  tabbed_ = false;
  if (!raw.ok()) return Answer::kEnd;
  draw();
  while (true) {
    const int c = next_byte();
    const Step step = c == kNothing ? Step::kEnd : key(c);
    switch (step) {
      case Step::kGoOn: draw(); break;
      case Step::kText:
        leave_text();
        out = buffer_.text();
        history_.add(out);
        return Answer::kText;
      case Step::kInterrupted: leave_text(); return Answer::kInterrupted;
      case Step::kEnd: leave_text(); return Answer::kEnd;
    }
  }
}

LineEditor::Step LineEditor::key(int c) {
  if (c != '\t') tabbed_ = false;
  switch (c) {
    case '\r':
    case '\n':
      if (behaviour_.complete(buffer_.text())) return Step::kText;
      buffer_.insert("\n");
      return Step::kGoOn;
    case control('C'): return Step::kInterrupted;
    case control('D'):
      if (buffer_.text().empty()) return Step::kEnd;
      buffer_.erase_at();
      return Step::kGoOn;
    case control('A'): buffer_.line_begin(); return Step::kGoOn;
    case control('E'): buffer_.line_end(); return Step::kGoOn;
    case control('B'): buffer_.left(); return Step::kGoOn;
    case control('F'): buffer_.right(); return Step::kGoOn;
    case control('K'): buffer_.erase_to_line_end(); return Step::kGoOn;
    case control('U'): buffer_.erase_to_line_begin(); return Step::kGoOn;
    case control('W'): buffer_.erase_word_before(); return Step::kGoOn;
    case control('P'): browse(true); return Step::kGoOn;
    case control('N'): browse(false); return Step::kGoOn;
    case control('R'): search(); return Step::kGoOn;
    case control('L'):
      emit("\x1b[H\x1b[2J");
      cursor_row_ = 0;
      return Step::kGoOn;
    case '\t': tab(); return Step::kGoOn;
    case 127:
    case control('H'): buffer_.erase_before(); return Step::kGoOn;
    case kEscape: return escape();
    default: break;
  }
  if (c < 32) return Step::kGoOn;
  std::string point(1, static_cast<char>(c));
  if (c >= 0xc0) {
    for (size_t i = 1; i < length_of_point(static_cast<unsigned char>(c)); ++i) {
      const int more = next_byte(kEscapeWaitMs);
      if (more == kNothing) break;
      point += static_cast<char>(more);
    }
  }
  buffer_.insert(point);
  return Step::kGoOn;
}

LineEditor::Step LineEditor::escape() {
  const int c = next_byte(kEscapeWaitMs);
  if (c == 'b') buffer_.word_left();
  if (c == 'f') buffer_.word_right();
  if (c == 127) buffer_.erase_word_before();
  if (c == '\r') buffer_.insert("\n");  // Alt-Enter: another line, whatever is there
  if (c != '[' && c != 'O') return Step::kGoOn;
  std::string parameters;
  for (int next = next_byte(kEscapeWaitMs); next != kNothing; next = next_byte(kEscapeWaitMs)) {
    if (next >= 0x40 && next <= 0x7e) {
      sequence(parameters, static_cast<char>(next));
      break;
    }
    parameters += static_cast<char>(next);
    if (parameters.size() > 16) break;
  }
  return Step::kGoOn;
}

void LineEditor::sequence(const std::string& parameters, char final) {
  const bool by_words = parameters.ends_with(";5") || parameters.ends_with(";3");
  switch (final) {
    case 'A':
      if (!buffer_.line_up()) browse(true);
      break;
    case 'B':
      if (!buffer_.line_down()) browse(false);
      break;
    case 'C': by_words ? buffer_.word_right() : buffer_.right(); break;
    case 'D': by_words ? buffer_.word_left() : buffer_.left(); break;
    case 'H': buffer_.line_begin(); break;
    case 'F': buffer_.line_end(); break;
    case '~':
      if (parameters == "1" || parameters == "7") buffer_.line_begin();
      if (parameters == "4" || parameters == "8") buffer_.line_end();
      if (parameters == "3") buffer_.erase_at();
      if (parameters == "200") paste();
      break;
    default: break;
  }
}

// What is pasted is text, whatever keys it would be; it ends with ESC [ 2 0 1 ~.
void LineEditor::paste() {
  static constexpr std::string_view kEnd = "\x1b[201~";
  std::string text;
  for (int c = next_byte(1000); c != kNothing; c = next_byte(1000)) {
    text += static_cast<char>(c);
    if (text.ends_with(kEnd)) {
      text.resize(text.size() - kEnd.size());
      break;
    }
  }
  std::string plain;
  for (const char c : text) {
    if (c == '\r')
      plain += '\n';
    else if (c == '\t')
      plain += "    ";
    else if (c == '\n' || static_cast<unsigned char>(c) >= 32)
      plain += c;
  }
  buffer_.insert(plain);
}

void LineEditor::browse(bool back) {
  if (back ? entry_ == 0 : entry_ == history_.size()) return;
  if (entry_ == history_.size()) written_ = buffer_.text();
  entry_ += back ? static_cast<size_t>(-1) : 1;
  buffer_.set(entry_ == history_.size() ? written_ : history_.at(entry_));
}

// Ctrl-R: the newest entry with what is typed; Ctrl-R again: an older one; Enter or any other key takes it.
void LineEditor::search() {
  std::string part;
  std::optional<size_t> found;
  size_t below = history_.size();
  while (true) {
    const std::string shown = found ? history_.at(*found) : "";
    show(shown, shown.size(), (part.empty() || found ? "search '" : "nothing found '") + part + "': ");
    const int c = next_byte();
    if (c == control('C') || c == control('G') || c == kNothing) return;
    if (c == control('R')) {
      below = found.value_or(below);
    } else if (c == 127 || c == control('H')) {
      if (!part.empty()) part.pop_back();
      below = history_.size();
    } else if (c >= 32) {
      part += static_cast<char>(c);
      below = history_.size();
    } else {
      if (found) {
        buffer_.set(shown);
        entry_ = *found;
      }
      return;
    }
    const auto next = part.empty() ? std::nullopt : history_.find_before(below, part);
    if (next || c != control('R')) found = next;
  }
}

void LineEditor::tab() {
  const Completion c = behaviour_.completion(buffer_.text(), buffer_.cursor());
  if (c.candidates.empty()) {
    const size_t line = buffer_.text().rfind('\n', buffer_.cursor() == 0 ? 0 : buffer_.cursor() - 1);
    const size_t begin = line == std::string::npos || buffer_.cursor() == 0 ? 0 : line + 1;
    if (buffer_.text().find_first_not_of(' ', begin) >= buffer_.cursor()) buffer_.insert("    ");  // indents
    return;
  }
  const std::string common = common_prefix(c.candidates);
  const std::string there = buffer_.text().substr(c.begin, buffer_.cursor() - c.begin);
  if (c.candidates.size() == 1 || common.size() > there.size()) {
    buffer_.replace(c.begin, common);
    tabbed_ = c.candidates.size() > 1;  // the next Tab lists them
    return;
  }
  if (tabbed_) list(c.candidates);
  tabbed_ = !tabbed_;
}

void LineEditor::list(const std::vector<std::string>& candidates) {
  constexpr size_t kMost = 200;
  size_t widest = 0;
  for (const std::string& s : candidates) widest = std::max(widest, static_cast<size_t>(frame::text_width(s)));
  const size_t per_row = std::max<size_t>(1, static_cast<size_t>(columns()) / (widest + 2));
  std::string out = "\r\n";
  if (rows_ - 1 > cursor_row_) out = "\x1b[" + std::to_string(rows_ - 1 - cursor_row_) + "B" + out;
  for (size_t i = 0; i < std::min(candidates.size(), kMost); ++i) {
    out += candidates[i] + std::string(widest + 2 - static_cast<size_t>(frame::text_width(candidates[i])), ' ');
    if ((i + 1) % per_row == 0 || i + 1 == std::min(candidates.size(), kMost)) out += "\r\n";
  }
  if (candidates.size() > kMost) out += "... and " + std::to_string(candidates.size() - kMost) + " more\r\n";
  emit(out);
  cursor_row_ = 0;
}

}  // namespace gristmill::cli
