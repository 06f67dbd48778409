// Reading a statement from a terminal: several lines, history, completion. A terminal that understands ANSI sequences is all it needs.
//
// The terminal is in raw mode only inside read(); whatever happens there, it is put back.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/edit_buffer.h"
#include "cli/history.h"

namespace gristmill::cli {

// What the text before the cursor may become: what begins at `begin` is replaced.
struct Completion {
  size_t begin = 0;
  std::vector<std::string> candidates;
};

class LineEditor {
 public:
  enum class Answer { kText, kInterrupted, kEnd };

  struct Behaviour {
    std::string prompt, continuation;                  // of equal widths
    std::function<bool(const std::string&)> complete;  // whether Enter hands the text over
    std::function<Completion(const std::string&, size_t cursor)> completion;
  };

  LineEditor(Behaviour behaviour, History& history) : behaviour_(std::move(behaviour)), history_(history) {}

  Answer read(std::string& out);

 private:
  enum class Step { kGoOn, kText, kInterrupted, kEnd };
  Step key(int c);
  Step escape();
  void sequence(const std::string& parameters, char final);
  void paste();
  void browse(bool back);
  void search();
  void tab();
  void list(const std::vector<std::string>& candidates);
  void draw();
  void leave_text();
  void show(const std::string& text, size_t cursor, const std::string& prompt);

  Behaviour behaviour_;
  History& history_;
  EditBuffer buffer_;
  size_t entry_ = 0;     // of the history; its size: the text being written
  std::string written_;  // that text, while an entry is shown
  int cursor_row_ = 0;   // of the drawing, from its top
  int rows_ = 1;
  bool tabbed_ = false;  // the key before was a tab that did nothing
};

}  // namespace gristmill::cli
